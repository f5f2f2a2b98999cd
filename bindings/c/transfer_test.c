/* Pushes, pulls, operations and local SGD through the C ABI. */

#include <math.h>
#include <poll.h>
#include <pthread.h>

#include "bindings/c/testing.h"

static void fill(float* values, float value) {
  for (size_t i = 0; i < kElements; ++i) values[i] = value;
}

static void expect_all(const float* values, float value) {
  for (size_t i = 0; i < kElements; ++i) EXPECT(values[i] == value);
}

static void a_push_and_a_pull_give_what_the_server_has(void) {
  fixture f;
  fixture_start(&f, NULL, "tcp://127.0.0.1:0", "sgd:lr=0.5", 2.0f);
  tideway_client* const client = fixture_connect(&f);
  float delta[kElements];
  float theta[kElements];
  fill(delta, 1.0f);
  const tideway_push_options options = {.struct_size = sizeof options, .inner_steps = 7};
  tideway_push_report pushed = {.struct_size = sizeof pushed};
  EXPECT_OK(tideway_client_push(client, delta, sizeof delta, &options, 0, &pushed));
  EXPECT(pushed.fragments == 1 && pushed.applied == 1 && pushed.rejected == 0);
  EXPECT(pushed.bytes_fp32 == sizeof delta);
  tideway_pull_report pulled = {.struct_size = sizeof pulled};
  EXPECT_OK(tideway_client_pull(client, theta, sizeof theta, NULL, 0, &pulled));
  EXPECT(pulled.version_max == 1);
  expect_all(theta, 1.5f);
  EXPECT_OK(tideway_client_push_pull(client, delta, sizeof delta, NULL, delta, sizeof delta, NULL,
                                     0, &pushed, &pulled));
  expect_all(delta, 1.0f);
  EXPECT_OK(tideway_server_read(f.server, theta, sizeof theta));
  expect_all(theta, 1.0f);
  EXPECT_OK(tideway_client_leave(client, 0));
  EXPECT_OK(tideway_client_free(client));
  fixture_stop(&f);
}

static void a_lossy_codec_keeps_what_it_left_over(void) {
  fixture f;
  fixture_start(&f, NULL, "inproc://lossy", "sgd:lr=1", 0.0f);
  f.client.codec_up = "topk:density=0.2";
  tideway_client* const client = fixture_connect(&f);
  float delta[kElements];
  for (size_t i = 0; i < kElements; ++i) delta[i] = (float)(i + 1);
  EXPECT_OK(tideway_client_push(client, delta, sizeof delta, NULL, 0, NULL));
  char* json = NULL;
  EXPECT_OK(tideway_client_residual_stats(client, &json));
  EXPECT(strstr(json, "\"norm\":") != NULL && strstr(json, "\"norm\":0.0,") == NULL);
  tideway_text_free(json);
  float theta[kElements];
  EXPECT_OK(tideway_server_read(f.server, theta, sizeof theta));
  EXPECT(theta[kElements - 1] < -8.0f && theta[0] == 0.0f);
  EXPECT_OK(tideway_client_free(client));
  fixture_stop(&f);
}

/* Waits as an event loop does, then takes the one operation that is finished. */
static tideway_operation* next_by_poll(tideway_client* client) {
  struct pollfd waiting = {.events = POLLIN};
  EXPECT_OK(tideway_client_fd(client, &waiting.fd));
  EXPECT(poll(&waiting, 1, 20000) == 1);
  tideway_operation* operation = NULL;
  EXPECT_OK(tideway_client_next(client, &operation));
  EXPECT(operation != NULL);
  return operation;
}

static void a_file_descriptor_tells_of_finished_operations(void) {
  fixture f;
  fixture_start(&f, NULL, "tcp://127.0.0.1:0", "sgd:lr=1", 0.0f);
  tideway_client* const client = fixture_connect(&f);
  float delta[kElements];
  fill(delta, 1.0f);
  tideway_operation* started[2] = {NULL, NULL};
  int numbers[2] = {0, 1};
  for (int i = 0; i < 2; ++i) {
    EXPECT_OK(tideway_client_push_start(client, delta, sizeof delta, NULL, 0, NULL, &numbers[i],
                                        &started[i]));
  }
  for (int i = 0; i < 2; ++i) {
    tideway_operation* const operation = next_by_poll(client);
    const int* const number = tideway_operation_user(operation);
    EXPECT(operation == started[*number]);
    int finished = 0;
    EXPECT_OK(tideway_operation_poll(operation, &finished));
    EXPECT(finished == 1);
    tideway_push_report report = {.struct_size = sizeof report};
    EXPECT_OK(tideway_operation_result(operation, &report, NULL));
    EXPECT(report.applied == 1);
    EXPECT_OK(tideway_operation_free(operation));
  }
  tideway_operation* none = started[0];
  EXPECT_OK(tideway_client_next(client, &none));
  EXPECT(none == NULL);
  struct pollfd idle = {.events = POLLIN};
  EXPECT_OK(tideway_client_fd(client, &idle.fd));
  EXPECT(poll(&idle, 1, 0) == 0);
  EXPECT_OK(tideway_client_free(client));
  fixture_stop(&f);
}

typedef struct called {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int count;
  tideway_status result;
  tideway_status blocking;
  tideway_client* client;
} called;

/* Frees its operation, as a program without a loop of its own does. */
static void on_done(void* user, tideway_operation* operation) {
  called* const state = user;
  EXPECT(tideway_operation_user(operation) == user);
  pthread_mutex_lock(&state->mutex);
  state->result = tideway_operation_result(operation, NULL, NULL);
  float theta[kElements];
  state->blocking = tideway_client_pull(state->client, theta, sizeof theta, NULL, 0, NULL);
  EXPECT(strstr(tideway_last_message(), "callback") != NULL);
  EXPECT(tideway_client_free(state->client) == TIDEWAY_FAILED_PRECONDITION);
  EXPECT_OK(tideway_operation_free(operation));
  ++state->count;
  pthread_cond_signal(&state->changed);
  pthread_mutex_unlock(&state->mutex);
}

static void a_callback_gets_its_argument_and_may_free_the_operation(void) {
  fixture f;
  fixture_start(&f, NULL, "tcp://127.0.0.1:0", "sgd:lr=1", 3.0f);
  called state = {
      PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, TIDEWAY_UNKNOWN, TIDEWAY_OK,
      fixture_connect(&f)};
  float theta[kElements];
  tideway_operation* operation = NULL;
  pthread_mutex_lock(&state.mutex);
  EXPECT_OK(tideway_client_pull_start(state.client, theta, sizeof theta, NULL, 0, on_done, &state,
                                      &operation));
  while (state.count == 0) pthread_cond_wait(&state.changed, &state.mutex);
  pthread_mutex_unlock(&state.mutex);
  EXPECT(state.result == TIDEWAY_OK);
  EXPECT(state.blocking == TIDEWAY_FAILED_PRECONDITION);
  expect_all(theta, 3.0f);
  EXPECT_OK(tideway_client_free(state.client));
  EXPECT(state.count == 1);
  fixture_stop(&f);
}

static void closing_ends_what_is_under_way(void) {
  fixture f;
  fixture_start(&f, NULL, "tcp://127.0.0.1:0", "sgd:lr=1", 0.0f);
  tideway_client* const client = fixture_connect(&f);
  float delta[kElements];
  fill(delta, 1.0f);
  EXPECT_OK(tideway_server_stop(f.server)); /* so that the push can't be acknowledged */
  tideway_operation* operation = NULL;
  EXPECT_OK(tideway_client_push_start(client, delta, sizeof delta, NULL, TIDEWAY_NO_TIMEOUT, NULL,
                                      NULL, &operation));
  EXPECT_FAILS(tideway_operation_wait(operation, 1), TIDEWAY_DEADLINE_EXCEEDED, "still runs");
  EXPECT_FAILS(tideway_operation_result(operation, NULL, NULL), TIDEWAY_FAILED_PRECONDITION,
               "still runs");
  EXPECT_OK(tideway_client_close(client));
  EXPECT_OK(tideway_operation_wait(operation, 0));
  EXPECT(tideway_operation_result(operation, NULL, NULL) == TIDEWAY_CANCELLED);
  EXPECT_OK(tideway_client_free(client));
  EXPECT(tideway_operation_result(operation, NULL, NULL) == TIDEWAY_CANCELLED);
  EXPECT_OK(tideway_operation_free(operation));
  fixture_stop(&f);
}

static void operations_that_nobody_frees_are_bounded(void) {
  enum { kMost = 1024 };
  static tideway_operation* operations[kMost];
  fixture f;
  fixture_start(&f, NULL, "inproc://bounded", "sgd:lr=1", 0.0f);
  tideway_client* const client = fixture_connect(&f);
  float theta[kElements];
  for (size_t i = 0; i < kMost; ++i) {
    EXPECT_OK(tideway_client_pull_start(client, theta, sizeof theta, NULL, 0, NULL, NULL,
                                        &operations[i]));
    EXPECT_OK(tideway_operation_wait(operations[i], 0));
  }
  tideway_operation* one_too_many = NULL;
  EXPECT_FAILS(
      tideway_client_pull_start(client, theta, sizeof theta, NULL, 0, NULL, NULL, &one_too_many),
      TIDEWAY_RESOURCE_EXHAUSTED, "tideway_operation_free");
  for (size_t i = 0; i < kMost; ++i) EXPECT_OK(tideway_operation_free(operations[i]));
  EXPECT_OK(tideway_client_pull(client, theta, sizeof theta, NULL, 0, NULL));
  EXPECT_OK(tideway_client_free(client));
  fixture_stop(&f);
}

/* Both tensors want to be 1; each step takes them a tenth of the way. */
static double train(float* weight, float* bias) {
  for (size_t i = 0; i < kWeights; ++i) weight[i] -= 0.1f * (weight[i] - 1.0f);
  for (size_t i = 0; i < kElements - kWeights; ++i) bias[i] -= 0.1f * (bias[i] - 1.0f);
  return (double)((weight[0] - 1.0f) * (weight[0] - 1.0f));
}

static void local_sgd_takes_a_loop_to_its_target(void) {
  static const int64_t weight_shape[] = {2, 3};
  static const int64_t bias_shape[] = {3};
  fixture f;
  fixture_start(&f, NULL, "tcp://127.0.0.1:0", "sgd:lr=1", 0.0f);
  float weight[kWeights];
  float bias[kElements - kWeights];
  const tideway_parameter parameters[] = {{"weight", weight_shape, 2, weight, sizeof weight},
                                          {"bias", bias_shape, 1, bias, sizeof bias}};
  const tideway_local_sgd_options options = {.struct_size = sizeof options, .inner_steps = 5};
  tideway_local_sgd* sync = NULL;
  EXPECT_OK(tideway_local_sgd_join(f.runtime, &f.client, &options, parameters, 2, &sync));
  EXPECT(weight[0] == 0.0f && bias[2] == 0.0f);
  int exchanges = 0;
  for (int step = 1; step <= 100; ++step) {
    tideway_sync_event event = {.struct_size = sizeof event};
    tideway_push_report pushed = {.struct_size = sizeof pushed};
    EXPECT_OK(tideway_local_sgd_step(sync, train(weight, bias), 1, &event, &pushed, NULL));
    EXPECT(event.merged == (step % 5 == 0));
    exchanges += event.merged;
    EXPECT(pushed.applied == (event.merged ? 1u : 0u));
  }
  EXPECT(exchanges == 20);
  tideway_local_sgd_state state = {.struct_size = sizeof state};
  EXPECT_OK(tideway_local_sgd_get_state(sync, &state));
  EXPECT(state.inner_steps == 5 && state.inner_steps_taken == 100 && state.finished == 0);
  EXPECT(fabsf(weight[0] - 1.0f) < 1e-3f && fabsf(bias[2] - 1.0f) < 1e-3f);
  char* json = NULL;
  EXPECT_OK(tideway_client_transport_report(tideway_local_sgd_client(sync), &json));
  EXPECT(strstr(json, "\"provider\":\"tcp\"") != NULL);
  tideway_text_free(json);
  EXPECT_OK(tideway_local_sgd_leave(sync));
  EXPECT_FAILS(tideway_local_sgd_step(sync, 0, 0, NULL, NULL, NULL), TIDEWAY_FAILED_PRECONDITION,
               "left");
  EXPECT_OK(tideway_local_sgd_free(sync));
  fixture_stop(&f);
}

static void a_snapshot_brings_the_parameters_back(void) {
  char folder[] = "/tmp/tideway_c_XXXXXX";
  EXPECT(mkdtemp(folder) != NULL);
  fixture f;
  fixture_start(&f, NULL, "inproc://first", "sgd:lr=1", 4.0f);
  const tideway_server_options options = {
      .struct_size = sizeof options, .outer_optimizer = "sgd:lr=1", .snapshot_dir = folder};
  tideway_server* server = NULL;
  EXPECT(tideway_server_recover(f.runtime, &options, f.layout, &server) == TIDEWAY_NOT_FOUND);
  float values[kElements];
  fill(values, 4.0f);
  EXPECT_OK(tideway_server_start(f.runtime, &options, f.layout, values, sizeof values, &server));
  char* written = NULL;
  EXPECT_OK(tideway_server_snapshot(server, &written));
  EXPECT(strstr(written, folder) == written);
  tideway_text_free(written);
  EXPECT_OK(tideway_server_free(server));
  EXPECT_OK(tideway_server_recover(f.runtime, &options, f.layout, &server));
  fill(values, 0.0f);
  EXPECT_OK(tideway_server_read(server, values, sizeof values));
  expect_all(values, 4.0f);
  EXPECT_OK(tideway_server_free(server));
  fixture_stop(&f);
  char command[128];
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  EXPECT(system(command) == 0);
}

static void reports_and_statistics_are_json_with_the_workers_name(void) {
  fixture f;
  fixture_start(&f, NULL, "tcp://127.0.0.1:0", "sgd:lr=1", 0.0f);
  tideway_client* const client = fixture_connect(&f);
  float delta[kElements];
  fill(delta, 1.0f);
  EXPECT_OK(tideway_client_push(client, delta, sizeof delta, NULL, 0, NULL));
  char* json = NULL;
  EXPECT_OK(tideway_client_server_stats(client, 0, 0, &json));
  EXPECT(strstr(json, "\"name\":\"me\"") != NULL && strstr(json, "\"outer_steps\":1,") != NULL);
  tideway_text_free(json);
  EXPECT_OK(tideway_server_stats(f.server, &json));
  EXPECT(strstr(json, "\"name\":\"me\"") != NULL);
  tideway_text_free(json);
  EXPECT_OK(tideway_client_transport_text(client, &json));
  EXPECT(strstr(json, f.address) != NULL);
  tideway_text_free(json);
  EXPECT_FAILS(tideway_client_server_stats(client, 1, 0, &json), TIDEWAY_INVALID_ARGUMENT,
               "there are 1 servers");
  EXPECT_OK(tideway_client_free(client));
  fixture_stop(&f);
}

const test kTransferTests[] = {
    {"a_push_and_a_pull_give_what_the_server_has", a_push_and_a_pull_give_what_the_server_has},
    {"a_lossy_codec_keeps_what_it_left_over", a_lossy_codec_keeps_what_it_left_over},
    {"a_file_descriptor_tells_of_finished_operations",
     a_file_descriptor_tells_of_finished_operations},
    {"a_callback_gets_its_argument_and_may_free_the_operation",
     a_callback_gets_its_argument_and_may_free_the_operation},
    {"closing_ends_what_is_under_way", closing_ends_what_is_under_way},
    {"operations_that_nobody_frees_are_bounded", operations_that_nobody_frees_are_bounded},
    {"local_sgd_takes_a_loop_to_its_target", local_sgd_takes_a_loop_to_its_target},
    {"a_snapshot_brings_the_parameters_back", a_snapshot_brings_the_parameters_back},
    {"reports_and_statistics_are_json_with_the_workers_name",
     reports_and_statistics_are_json_with_the_workers_name},
    {NULL, NULL}};
