/* What the tests of the C ABI share: plain C99, so that they are compiled as a C program's sources are. */

#ifndef TIDEWAY_BINDINGS_C_TESTING_H_
#define TIDEWAY_BINDINGS_C_TESTING_H_

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/c/tideway.h"

/* Ends the program with 1 unless `condition` holds. */
#define EXPECT(condition)                                                                          \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: not true: %s\n  last message: %s\n", __FILE__, __LINE__, #condition, \
              tideway_last_message());                                                             \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

#define EXPECT_OK(call) EXPECT((call) == TIDEWAY_OK)

/* `call` must fail with `status`, and the message must hold `text`. */
#define EXPECT_FAILS(call, status, text)                                                     \
  do {                                                                                       \
    const tideway_status got = (call);                                                       \
    if (got != (status) || strstr(tideway_last_message(), (text)) == NULL) {                 \
      fprintf(stderr, "%s:%d: %s gave %s: %s\n  wanted %s, with '%s'\n", __FILE__, __LINE__, \
              #call, tideway_status_name(got), tideway_last_message(),                       \
              tideway_status_name(status), (text));                                          \
      exit(1);                                                                               \
    }                                                                                        \
  } while (0)

enum { kWeights = 2 * 3, kElements = kWeights + 3 };

/* A server over "weight" [2, 3] and "bias" [3], which all begin at `initial`, and what a client needs to connect to it. */
typedef struct fixture {
  tideway_runtime* runtime;
  tideway_layout* layout;
  tideway_server* server;
  const char* address;
  tideway_client_options client; /* worker "me" */
} fixture;

void fixture_start(fixture* f, const tideway_runtime_options* runtime, const char* listen,
                   const char* outer_optimizer, float initial);
/* A client that is connected with f->client. */
tideway_client* fixture_connect(fixture* f);
void fixture_stop(fixture* f);

/* Each test by its name. */
typedef struct test {
  const char* name;
  void (*run)(void);
} test;

extern const test kTransferTests[];
extern const test kArgumentTests[];
extern const test kPluginTests[];
extern const test kHostTests[];
extern const test kWeightTests[];

#endif  // TIDEWAY_BINDINGS_C_TESTING_H_
