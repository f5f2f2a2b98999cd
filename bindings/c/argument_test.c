/* What the C ABI says to wrong arguments, to use after close, and to a server of another layout. */

#include <math.h>

#include "bindings/c/testing.h"

static void nulls_and_wrong_sizes_are_named(void) {
  fixture f;
  fixture_start(&f, NULL, "inproc://sizes", "sgd:lr=1", 0.0f);
  tideway_client* const client = fixture_connect(&f);
  float values[kElements] = {0};
  EXPECT_FAILS(tideway_client_push(NULL, values, sizeof values, NULL, 0, NULL),
               TIDEWAY_INVALID_ARGUMENT, "client is null");
  EXPECT_FAILS(tideway_client_push(client, NULL, sizeof values, NULL, 0, NULL),
               TIDEWAY_INVALID_ARGUMENT, "delta is null");
  EXPECT_FAILS(tideway_client_push(client, values, sizeof values - 4, NULL, 0, NULL),
               TIDEWAY_INVALID_ARGUMENT, "delta has 32 bytes and needs 36");
  EXPECT_FAILS(tideway_client_pull(client, values, 2 * sizeof values, NULL, 0, NULL),
               TIDEWAY_INVALID_ARGUMENT, "destination has 72 bytes and needs 36");
  EXPECT_FAILS(
      tideway_client_pull(client, (float*)(void*)((char*)values + 1), sizeof values, NULL, 0, NULL),
      TIDEWAY_INVALID_ARGUMENT, "aligned");
  EXPECT_FAILS(tideway_client_pull(client, values, sizeof values, NULL, -2, NULL),
               TIDEWAY_INVALID_ARGUMENT, "TIDEWAY_NO_TIMEOUT");
  EXPECT_FAILS(tideway_client_pull_start(client, values, sizeof values, NULL, 0, NULL, NULL, NULL),
               TIDEWAY_INVALID_ARGUMENT, "operation is null");
  EXPECT_FAILS(tideway_operation_wait(NULL, 0), TIDEWAY_INVALID_ARGUMENT, "operation is null");
  EXPECT_FAILS(tideway_server_read(f.server, values, 4), TIDEWAY_INVALID_ARGUMENT,
               "destination has 4 bytes");
  EXPECT_OK(tideway_client_free(client));
  EXPECT_OK(tideway_client_free(NULL));
  EXPECT_OK(tideway_operation_free(NULL));
  EXPECT_OK(tideway_server_free(NULL));
  EXPECT_OK(tideway_local_sgd_free(NULL));
  EXPECT_OK(tideway_runtime_free(NULL));
  tideway_layout_free(NULL);
  fixture_stop(&f);
}

static void a_nan_is_refused_with_the_name_of_its_tensor(void) {
  fixture f;
  fixture_start(&f, NULL, "inproc://nan", "sgd:lr=1", 0.0f);
  tideway_client* const client = fixture_connect(&f);
  float delta[kElements] = {0};
  delta[kWeights + 1] = NAN;
  EXPECT_FAILS(tideway_client_push(client, delta, sizeof delta, NULL, 0, NULL),
               TIDEWAY_INVALID_ARGUMENT, "bias");
  delta[kWeights + 1] = 0.0f;
  EXPECT_OK(tideway_client_push(client, delta, sizeof delta, NULL, 0, NULL));
  EXPECT_OK(tideway_client_free(client));
  fixture_stop(&f);
}

static void a_layout_that_can_not_be_is_refused_with_the_name_of_its_tensor(void) {
  static const int64_t zero[] = {4, 0};
  static const int64_t fine[] = {4};
  const tideway_tensor bad_shape[] = {{"fine", fine, 1}, {"empty", zero, 2}};
  const tideway_tensor twice[] = {{"same", fine, 1}, {"same", fine, 1}};
  const tideway_tensor nameless[] = {{"fine", fine, 1}, {NULL, fine, 1}};
  const tideway_tensor shapeless[] = {{"lost", NULL, 1}};
  tideway_layout* layout = NULL;
  EXPECT_FAILS(tideway_layout_create(bad_shape, 2, NULL, &layout), TIDEWAY_INVALID_ARGUMENT,
               "empty");
  EXPECT_FAILS(tideway_layout_create(twice, 2, NULL, &layout), TIDEWAY_INVALID_ARGUMENT, "same");
  EXPECT_FAILS(tideway_layout_create(nameless, 2, NULL, &layout), TIDEWAY_INVALID_ARGUMENT,
               "tensor 1");
  EXPECT_FAILS(tideway_layout_create(shapeless, 1, NULL, &layout), TIDEWAY_INVALID_ARGUMENT,
               "lost");
  EXPECT(layout == NULL);
}

static void a_server_of_another_layout_is_refused_with_the_tensor_that_differs(void) {
  static const int64_t weight[] = {3, 2};
  static const int64_t bias[] = {3};
  const tideway_tensor tensors[] = {{"weight", weight, 2}, {"bias", bias, 1}};
  fixture f;
  fixture_start(&f, NULL, "tcp://127.0.0.1:0", "sgd:lr=1", 0.0f);
  tideway_layout* other = NULL;
  EXPECT_OK(tideway_layout_create(tensors, 2, NULL, &other));
  tideway_client* client = NULL;
  EXPECT_FAILS(tideway_client_connect(f.runtime, &f.client, other, 0, &client),
               TIDEWAY_INVALID_ARGUMENT, "weight [2, 3] here and weight [3, 2] at the client");
  EXPECT(client == NULL);
  tideway_layout_free(other);
  fixture_stop(&f);
}

static void a_parameter_whose_memory_is_not_its_shapes_is_named(void) {
  static const int64_t shape[] = {3};
  fixture f;
  fixture_start(&f, NULL, "inproc://memory", "sgd:lr=1", 0.0f);
  float bias[3];
  const tideway_parameter wrong[] = {{"bias", shape, 1, bias, sizeof bias - 4}};
  const tideway_parameter missing[] = {{"bias", shape, 1, NULL, sizeof bias}};
  tideway_local_sgd* sync = NULL;
  EXPECT_FAILS(tideway_local_sgd_join(f.runtime, &f.client, NULL, wrong, 1, &sync),
               TIDEWAY_INVALID_ARGUMENT, "'bias' has 8 bytes and needs 12");
  EXPECT_FAILS(tideway_local_sgd_join(f.runtime, &f.client, NULL, missing, 1, &sync),
               TIDEWAY_INVALID_ARGUMENT, "'bias' is null");
  f.client.observer = 1;
  EXPECT_FAILS(tideway_local_sgd_join(f.runtime, &f.client, NULL, wrong, 1, &sync),
               TIDEWAY_INVALID_ARGUMENT, "observer");
  EXPECT(sync == NULL);
  fixture_stop(&f);
}

static void a_closed_client_says_so(void) {
  fixture f;
  fixture_start(&f, NULL, "inproc://closed", "sgd:lr=1", 0.0f);
  tideway_client* const client = fixture_connect(&f);
  float values[kElements] = {0};
  char* json = NULL;
  EXPECT_OK(tideway_client_close(client));
  EXPECT_OK(tideway_client_close(client));
  EXPECT_FAILS(tideway_client_push(client, values, sizeof values, NULL, 0, NULL),
               TIDEWAY_FAILED_PRECONDITION, "closed");
  EXPECT_FAILS(tideway_client_pull(client, values, sizeof values, NULL, 0, NULL),
               TIDEWAY_FAILED_PRECONDITION, "closed");
  EXPECT_FAILS(tideway_client_leave(client, 0), TIDEWAY_FAILED_PRECONDITION, "closed");
  EXPECT_FAILS(tideway_client_server_stats(client, 0, 0, &json), TIDEWAY_FAILED_PRECONDITION,
               "closed");
  EXPECT_OK(tideway_client_transport_report(client, &json));
  tideway_text_free(json);
  EXPECT_OK(tideway_client_free(client));
  EXPECT_OK(tideway_server_stop(f.server));
  EXPECT_FAILS(tideway_server_snapshot(f.server, NULL), TIDEWAY_FAILED_PRECONDITION, "stopped");
  fixture_stop(&f);
}

static void what_was_made_may_outlive_what_it_was_made_from(void) {
  fixture f;
  fixture_start(&f, NULL, "inproc://order", "sgd:lr=1", 5.0f);
  tideway_client* const client = fixture_connect(&f);
  tideway_layout_free(f.layout);
  EXPECT_OK(tideway_runtime_free(f.runtime));
  float theta[kElements];
  EXPECT_OK(tideway_client_pull(client, theta, sizeof theta, NULL, 0, NULL));
  EXPECT(theta[0] == 5.0f);
  EXPECT_OK(tideway_server_free(f.server));
  EXPECT_OK(tideway_client_free(client));
}

static void struct_sizes_and_the_abi_version_are_checked(void) {
  tideway_runtime* runtime = NULL;
  EXPECT_FAILS(tideway_runtime_create(TIDEWAY_ABI_VERSION + 1, NULL, &runtime),
               TIDEWAY_FAILED_PRECONDITION, "compiled for version 2");
  tideway_runtime_options unset = {.threads = 1};
  EXPECT_FAILS(tideway_runtime_create(TIDEWAY_ABI_VERSION, &unset, &runtime),
               TIDEWAY_INVALID_ARGUMENT, "tideway_runtime_options.struct_size is 0");
  /* A program of a later header: what this library does not know must be zero. */
  struct {
    tideway_runtime_options known;
    uint64_t later;
  } newer;
  memset(&newer, 0, sizeof newer);
  newer.known.struct_size = sizeof newer;
  newer.later = 1;
  EXPECT_FAILS(tideway_runtime_create(TIDEWAY_ABI_VERSION, &newer.known, &runtime),
               TIDEWAY_INVALID_ARGUMENT, "does not know");
  EXPECT(runtime == NULL);
  newer.later = 0;
  EXPECT_OK(tideway_runtime_create(TIDEWAY_ABI_VERSION, &newer.known, &runtime));
  EXPECT_OK(tideway_runtime_free(runtime));
  /* A program of an earlier one. */
  tideway_runtime_options older = {.struct_size = offsetof(tideway_runtime_options, log)};
  EXPECT_OK(tideway_runtime_create(TIDEWAY_ABI_VERSION, &older, &runtime));
  EXPECT_OK(tideway_runtime_free(runtime));
}

/* Programs that were compiled with an earlier header rely on this, so a line here changes only together with TIDEWAY_ABI_VERSION. */
static void the_structs_of_abi_version_1_stay_as_they_are(void) {
#if defined(__LP64__)
  EXPECT(TIDEWAY_ABI_VERSION == 1);
  /* Without a size of their own. */
  EXPECT(sizeof(tideway_apply_context) == 16 && offsetof(tideway_apply_context, weight) == 12);
  EXPECT(sizeof(tideway_optimizer_state) == 24 && offsetof(tideway_optimizer_state, window) == 16);
  EXPECT(sizeof(tideway_tensor) == 24 && offsetof(tideway_tensor, rank) == 16);
  EXPECT(sizeof(tideway_parameter) == 40 && offsetof(tideway_parameter, data_bytes) == 32);
  EXPECT(sizeof(tideway_weight) == 48 && offsetof(tideway_weight, data_bytes) == 40);
  EXPECT(sizeof(tideway_weight_version) == 16 && offsetof(tideway_weight_version, version) == 8);
  EXPECT(sizeof(TidewayCodecModule) == 72 && offsetof(TidewayCodecModule, decode_add) == 64);
  /* May grow at their ends. */
  EXPECT(sizeof(tideway_outer_optimizer) >= 56 && offsetof(tideway_outer_optimizer, apply) == 48);
  EXPECT(sizeof(tideway_runtime_options) >= 88 &&
         offsetof(tideway_runtime_options, module_dir) == 80);
  EXPECT(sizeof(tideway_layout_options) >= 24 && offsetof(tideway_layout_options, servers) == 16);
  EXPECT(sizeof(tideway_client_options) >= 128 &&
         offsetof(tideway_client_options, no_one_sided_pull) == 120);
  EXPECT(sizeof(tideway_push_options) >= 16 && offsetof(tideway_push_options, inner_steps) == 8);
  EXPECT(sizeof(tideway_push_report) >= 48 && offsetof(tideway_push_report, staleness_max) == 40);
  EXPECT(sizeof(tideway_pull_options) >= 16 && offsetof(tideway_pull_options, window) == 8);
  EXPECT(sizeof(tideway_pull_report) >= 48 && offsetof(tideway_pull_report, differences) == 44);
  EXPECT(sizeof(tideway_local_sgd_options) >= 56 &&
         offsetof(tideway_local_sgd_options, exchange_timeout_ms) == 48);
  EXPECT(sizeof(tideway_sync_event) >= 24 && offsetof(tideway_sync_event, waited_seconds) == 16);
  EXPECT(sizeof(tideway_local_sgd_state) >= 56 &&
         offsetof(tideway_local_sgd_state, schedule_progress) == 48);
  EXPECT(sizeof(tideway_server_options) >= 192 &&
         offsetof(tideway_server_options, snapshot_interval_ms) == 184);
  EXPECT(sizeof(tideway_publisher_options) >= 88 &&
         offsetof(tideway_publisher_options, silence_max_ms) == 80);
  EXPECT(sizeof(tideway_publish_report) >= 48 && offsetof(tideway_publish_report, seconds) == 40);
  EXPECT(sizeof(tideway_subscriber_options) >= 48 &&
         offsetof(tideway_subscriber_options, silence_max_ms) == 40);
#endif
}

static void a_report_of_another_size_is_filled_as_far_as_it_goes(void) {
  fixture f;
  fixture_start(&f, NULL, "inproc://report", "sgd:lr=1", 0.0f);
  tideway_client* const client = fixture_connect(&f);
  float values[kElements] = {0};
  struct {
    tideway_push_report known;
    uint64_t later;
  } newer = {.known.struct_size = sizeof newer, .later = 99};
  EXPECT_OK(tideway_client_push(client, values, sizeof values, NULL, 0, &newer.known));
  EXPECT(newer.known.applied == 1 && newer.later == 0 && newer.known.struct_size == sizeof newer);
  tideway_push_report older = {.struct_size = offsetof(tideway_push_report, applied),
                               .applied = 77};
  EXPECT_OK(tideway_client_push(client, values, sizeof values, NULL, 0, &older));
  EXPECT(older.fragments == 1 && older.applied == 77);
  tideway_push_report unset = {.applied = 0};
  EXPECT_FAILS(tideway_client_push(client, values, sizeof values, NULL, 0, &unset),
               TIDEWAY_INVALID_ARGUMENT, "tideway_push_report.struct_size is 0");
  EXPECT_OK(tideway_client_free(client));
  fixture_stop(&f);
}

static void specs_that_do_not_exist_are_refused_with_those_that_do(void) {
  fixture f;
  fixture_start(&f, NULL, "inproc://specs", "sgd:lr=1", 0.0f);
  const tideway_server_options server = {.struct_size = sizeof server, .outer_optimizer = "adam"};
  float values[kElements] = {0};
  tideway_server* none = NULL;
  EXPECT_FAILS(tideway_server_start(f.runtime, &server, f.layout, values, sizeof values, &none),
               TIDEWAY_NOT_FOUND, "nesterov");
  tideway_client* client = NULL;
  f.client.codec_up = "int9";
  EXPECT_FAILS(tideway_client_connect(f.runtime, &f.client, f.layout, 0, &client),
               TIDEWAY_INVALID_ARGUMENT, "int8");
  f.client.codec_up = NULL;
  f.client.server_count = 0;
  EXPECT_FAILS(tideway_client_connect(f.runtime, &f.client, f.layout, 0, &client),
               TIDEWAY_INVALID_ARGUMENT, "no server");
  const char* const nobody = "tcp://127.0.0.1:1";
  f.client.servers = &nobody;
  f.client.server_count = 1;
  f.client.reconnect_timeout_ms = 1;
  tideway_status status = tideway_client_connect(f.runtime, &f.client, f.layout, 2000, &client);
  EXPECT(status == TIDEWAY_UNAVAILABLE || status == TIDEWAY_DEADLINE_EXCEEDED);
  EXPECT(client == NULL && none == NULL);
  fixture_stop(&f);
}

const test kArgumentTests[] = {
    {"nulls_and_wrong_sizes_are_named", nulls_and_wrong_sizes_are_named},
    {"a_nan_is_refused_with_the_name_of_its_tensor", a_nan_is_refused_with_the_name_of_its_tensor},
    {"a_layout_that_can_not_be_is_refused_with_the_name_of_its_tensor",
     a_layout_that_can_not_be_is_refused_with_the_name_of_its_tensor},
    {"a_server_of_another_layout_is_refused_with_the_tensor_that_differs",
     a_server_of_another_layout_is_refused_with_the_tensor_that_differs},
    {"a_parameter_whose_memory_is_not_its_shapes_is_named",
     a_parameter_whose_memory_is_not_its_shapes_is_named},
    {"a_closed_client_says_so", a_closed_client_says_so},
    {"what_was_made_may_outlive_what_it_was_made_from",
     what_was_made_may_outlive_what_it_was_made_from},
    {"struct_sizes_and_the_abi_version_are_checked", struct_sizes_and_the_abi_version_are_checked},
    {"the_structs_of_abi_version_1_stay_as_they_are",
     the_structs_of_abi_version_1_stay_as_they_are},
    {"a_report_of_another_size_is_filled_as_far_as_it_goes",
     a_report_of_another_size_is_filled_as_far_as_it_goes},
    {"specs_that_do_not_exist_are_refused_with_those_that_do",
     specs_that_do_not_exist_are_refused_with_those_that_do},
    {NULL, NULL}};
