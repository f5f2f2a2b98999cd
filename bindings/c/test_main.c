/* Runs the tests that are named on the command line, or all of them. */

#include "bindings/c/testing.h"

static const char* address_of(fixture* f) {
  f->address = tideway_server_address(f->server, 0);
  EXPECT(f->address != NULL);
  return f->address;
}

static tideway_layout* new_layout(void) {
  static const int64_t weight[] = {2, 3};
  static const int64_t bias[] = {3};
  const tideway_tensor tensors[] = {{"weight", weight, 2}, {"bias", bias, 1}};
  tideway_layout* layout = NULL;
  EXPECT_OK(tideway_layout_create(tensors, 2, NULL, &layout));
  EXPECT(tideway_layout_bytes(layout) == kElements * sizeof(float));
  return layout;
}

void fixture_start(fixture* f, const tideway_runtime_options* runtime, const char* listen,
                   const char* outer_optimizer, float initial) {
  const tideway_server_options options = {.struct_size = sizeof options,
                                          .listen = &listen,
                                          .listen_count = 1,
                                          .outer_optimizer = outer_optimizer};
  float values[kElements];
  for (size_t i = 0; i < kElements; ++i) values[i] = initial;
  EXPECT_OK(tideway_runtime_create(TIDEWAY_ABI_VERSION, runtime, &f->runtime));
  f->layout = new_layout();
  EXPECT_OK(
      tideway_server_start(f->runtime, &options, f->layout, values, sizeof values, &f->server));
  memset(&f->client, 0, sizeof f->client);
  f->client.struct_size = sizeof f->client;
  (void)address_of(f);
  f->client.servers = &f->address;
  f->client.server_count = 1;
  f->client.worker = "me";
}

tideway_client* fixture_connect(fixture* f) {
  tideway_client* client = NULL;
  EXPECT_OK(tideway_client_connect(f->runtime, &f->client, f->layout, 0, &client));
  return client;
}

void fixture_stop(fixture* f) {
  EXPECT_OK(tideway_server_free(f->server));
  tideway_layout_free(f->layout);
  EXPECT_OK(tideway_runtime_free(f->runtime));
}

static int run(const test* tests, const char* name) {
  int count = 0;
  for (const test* each = tests; each->name != NULL; ++each) {
    if (name != NULL && strcmp(name, each->name) != 0) continue;
    printf("%s\n", each->name);
    fflush(stdout);
    each->run();
    ++count;
  }
  return count;
}

int main(int argc, char** argv) {
  const test* const groups[] = {kTransferTests, kArgumentTests, kPluginTests, kHostTests,
                                kWeightTests};
  for (int i = 1; i < argc || i == 1; ++i) {
    int count = 0;
    for (size_t group = 0; group < sizeof groups / sizeof groups[0]; ++group) {
      count += run(groups[group], i < argc ? argv[i] : NULL);
    }
    if (count == 0) {
      fprintf(stderr, "no test is named %s\n", argv[i]);
      return 1;
    }
  }
  return 0;
}
