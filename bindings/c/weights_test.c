/* Publishing whole versions of a model to subscribers through the C ABI. */

#include "bindings/c/testing.h"

static const int64_t kEmbedShape[] = {4, 3};
static const int64_t kNormShape[] = {3};

typedef struct weights_of_model {
  uint16_t embed[12]; /* bf16 */
  float norm[3];
} weights_of_model;

/* All words are made from `seed`. */
static weights_of_model weights_from(uint16_t seed) {
  weights_of_model w;
  for (uint16_t i = 0; i < 12; ++i) w.embed[i] = (uint16_t)(seed * 100 + i);
  for (int i = 0; i < 3; ++i) w.norm[i] = (float)(seed + i);
  return w;
}

static void describe(tideway_weight* model, const weights_of_model* w) {
  const tideway_weight tensors[2] = {
      {"embed", TIDEWAY_BF16, kEmbedShape, 2, w == NULL ? NULL : w->embed, sizeof w->embed},
      {"norm", TIDEWAY_FP32, kNormShape, 1, w == NULL ? NULL : w->norm, sizeof w->norm}};
  memcpy(model, tensors, sizeof tensors);
}

static tideway_runtime* new_runtime(void) {
  tideway_runtime* runtime = NULL;
  EXPECT_OK(tideway_runtime_create(TIDEWAY_ABI_VERSION, NULL, &runtime));
  return runtime;
}

static tideway_publisher* new_publisher(tideway_runtime* runtime) {
  tideway_weight model[2];
  describe(model, NULL);
  tideway_publisher* publisher = NULL;
  EXPECT_OK(tideway_publisher_start(runtime, NULL, model, 2, &publisher));
  return publisher;
}

static tideway_subscriber* new_subscriber(tideway_runtime* runtime, const char* address) {
  tideway_weight model[2];
  describe(model, NULL);
  const tideway_subscriber_options options = {
      .struct_size = sizeof options, .publisher = address, .name = "inference"};
  tideway_subscriber* subscriber = NULL;
  EXPECT_OK(tideway_subscriber_start(runtime, &options, model, 2, &subscriber));
  return subscriber;
}

static void publish(tideway_publisher* publisher, uint16_t version) {
  const weights_of_model w = weights_from(version);
  tideway_weight tensors[2];
  describe(tensors, &w);
  tideway_publish_report report = {.struct_size = sizeof report};
  EXPECT_OK(tideway_publisher_publish(publisher, version, tensors, 2, &report));
  EXPECT(report.version == version && report.epoch != 0);
  EXPECT(report.bytes_model == sizeof w.embed + sizeof w.norm);
}

static void expect_version(const tideway_weights* weights, uint16_t version) {
  const weights_of_model w = weights_from(version);
  size_t bytes = 0;
  EXPECT(tideway_weights_version(weights).version == version);
  EXPECT(memcmp(tideway_weights_tensor(weights, 0, &bytes), w.embed, sizeof w.embed) == 0);
  EXPECT(bytes == sizeof w.embed);
  EXPECT(memcmp(tideway_weights_tensor(weights, 1, &bytes), w.norm, sizeof w.norm) == 0);
  EXPECT(bytes == sizeof w.norm);
  EXPECT(tideway_weights_tensor(weights, 2, &bytes) == NULL && bytes == 0);
}

static void every_version_arrives_whole_at_every_subscriber(void) {
  tideway_runtime* const runtime = new_runtime();
  tideway_publisher* const publisher = new_publisher(runtime);
  const char* const address = tideway_publisher_address(publisher, 0);
  EXPECT(address != NULL && tideway_publisher_address(publisher, 1) == NULL);
  tideway_subscriber* const subscribers[2] = {new_subscriber(runtime, address),
                                              new_subscriber(runtime, address)};
  tideway_weight_version have[2] = {{0, 0}, {0, 0}};
  for (uint16_t version = 1; version <= 10; ++version) {
    publish(publisher, version);
    for (int i = 0; i < 2; ++i) {
      tideway_weights* weights = NULL;
      EXPECT_OK(tideway_subscriber_wait(subscribers[i], &have[i], 20000, &weights));
      expect_version(weights, version);
      have[i] = tideway_weights_version(weights);
      tideway_weights_free(weights);
    }
  }
  char* json = NULL;
  EXPECT_OK(tideway_publisher_stats(publisher, &json));
  EXPECT(strstr(json, "\"versions\":10") != NULL && strstr(json, "\"name\":\"inference\"") != NULL);
  tideway_text_free(json);
  EXPECT_OK(tideway_subscriber_stats(subscribers[0], &json));
  EXPECT(strstr(json, "\"installs\":10") != NULL);
  tideway_text_free(json);
  for (int i = 0; i < 2; ++i) EXPECT_OK(tideway_subscriber_free(subscribers[i]));
  EXPECT_OK(tideway_publisher_free(publisher));
  EXPECT_OK(tideway_runtime_free(runtime));
}

static void a_version_that_is_held_outlives_its_subscriber(void) {
  tideway_runtime* const runtime = new_runtime();
  tideway_publisher* const publisher = new_publisher(runtime);
  tideway_subscriber* const subscriber =
      new_subscriber(runtime, tideway_publisher_address(publisher, 0));
  tideway_weights* weights = NULL;
  EXPECT_OK(tideway_subscriber_current(subscriber, &weights));
  EXPECT(weights == NULL && tideway_weights_version(weights).epoch == 0);
  publish(publisher, 7);
  EXPECT_OK(tideway_subscriber_wait(subscriber, NULL, 20000, &weights));
  tideway_weights* same = NULL;
  EXPECT_OK(tideway_subscriber_current(subscriber, &same));
  EXPECT(tideway_weights_tensor(same, 0, NULL) == tideway_weights_tensor(weights, 0, NULL));
  tideway_weights_free(same);
  EXPECT_OK(tideway_subscriber_close(subscriber));
  EXPECT_FAILS(tideway_subscriber_wait(subscriber, NULL, 0, &same), TIDEWAY_FAILED_PRECONDITION,
               "closed");
  EXPECT_OK(tideway_subscriber_free(subscriber));
  EXPECT_OK(tideway_publisher_free(publisher));
  EXPECT_OK(tideway_runtime_free(runtime));
  expect_version(weights, 7);
  tideway_weights_free(weights);
}

static void what_does_not_fit_the_model_is_named(void) {
  tideway_runtime* const runtime = new_runtime();
  tideway_publisher* const publisher = new_publisher(runtime);
  const weights_of_model w = weights_from(1);
  tideway_weight tensors[2];
  describe(tensors, &w);
  tensors[0].data_bytes = 4;
  EXPECT_FAILS(tideway_publisher_publish(publisher, 1, tensors, 2, NULL), TIDEWAY_INVALID_ARGUMENT,
               "embed");
  describe(tensors, &w);
  tensors[1].type = TIDEWAY_BF16;
  tensors[1].data_bytes = 6;
  EXPECT_FAILS(tideway_publisher_publish(publisher, 1, tensors, 2, NULL), TIDEWAY_INVALID_ARGUMENT,
               "norm");
  describe(tensors, &w);
  tensors[0].type = (tideway_weight_type)9;
  tideway_publisher* none = NULL;
  EXPECT_FAILS(tideway_publisher_start(runtime, NULL, tensors, 2, &none), TIDEWAY_INVALID_ARGUMENT,
               "embed");
  const tideway_subscriber_options nowhere = {.struct_size = sizeof nowhere};
  tideway_subscriber* nobody = NULL;
  EXPECT_FAILS(tideway_subscriber_start(runtime, &nowhere, tensors, 2, &nobody),
               TIDEWAY_INVALID_ARGUMENT, "publisher is null");
  describe(tensors, &w);
  tensors[1].name = "norm2";
  const tideway_subscriber_options other = {.struct_size = sizeof other,
                                            .publisher = tideway_publisher_address(publisher, 0)};
  EXPECT_OK(tideway_subscriber_start(runtime, &other, tensors, 2, &nobody));
  tideway_weights* weights = NULL;
  EXPECT_FAILS(tideway_subscriber_wait(nobody, NULL, 20000, &weights), TIDEWAY_FAILED_PRECONDITION,
               "norm");
  EXPECT(weights == NULL && none == NULL);
  EXPECT_OK(tideway_subscriber_free(nobody));
  EXPECT_OK(tideway_publisher_stop(publisher));
  EXPECT(tideway_publisher_publish(publisher, 2, tensors, 2, NULL) != TIDEWAY_OK);
  EXPECT_OK(tideway_publisher_free(publisher));
  EXPECT_OK(tideway_runtime_free(runtime));
}

const test kWeightTests[] = {
    {"every_version_arrives_whole_at_every_subscriber",
     every_version_arrives_whole_at_every_subscriber},
    {"a_version_that_is_held_outlives_its_subscriber",
     a_version_that_is_held_outlives_its_subscriber},
    {"what_does_not_fit_the_model_is_named", what_does_not_fit_the_model_is_named},
    {NULL, NULL}};
