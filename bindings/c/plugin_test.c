/* Codecs and outer optimizers that are written in C, and what happens when they fail. */

#include <stdint.h>

#include "bindings/c/testing.h"

/* A codec that rounds to whole numbers from -100 to 100 and sends one byte each. `user` says from which value on it fails. */
typedef struct whole_numbers {
  float largest;
} whole_numbers;

static int codec_create(void* user, const char* spec, void** codec, char* error) {
  if (strcmp(spec, "whole") != 0) {
    snprintf(error, kTidewayCodecErrorBytes, "'%s' has a parameter; there are none", spec);
    return kTidewayCodecInvalid;
  }
  *codec = user;
  return kTidewayCodecOk;
}

static void codec_destroy(void* codec) { (void)codec; }

static size_t codec_bound(const void* codec, size_t elements) {
  (void)codec;
  return elements;
}

static int codec_encode(const void* codec, const float* delta, float* residual, size_t elements,
                        float residual_decay, uint8_t* out, size_t* written, char* error) {
  const whole_numbers* const self = codec;
  for (size_t i = 0; i < elements; ++i) {
    if (delta[i] > self->largest) {
      snprintf(error, kTidewayCodecErrorBytes, "element %zu is larger than this codec can do", i);
      return kTidewayCodecFailed;
    }
  }
  for (size_t i = 0; i < elements; ++i) {
    const float e = residual == NULL ? delta[i] : delta[i] + residual_decay * residual[i];
    const int rounded = (int)(e < 0 ? e - 0.5f : e + 0.5f);
    out[i] = (uint8_t)(int8_t)rounded;
    if (residual != NULL) residual[i] = e - (float)rounded;
  }
  *written = elements;
  return kTidewayCodecOk;
}

static int codec_decode_add(const void* codec, const uint8_t* in, size_t in_bytes, float scale,
                            float* accumulator, size_t elements, char* error) {
  (void)codec;
  if (in_bytes != elements) {
    snprintf(error, kTidewayCodecErrorBytes, "needs one byte per element");
    return kTidewayCodecInvalid;
  }
  for (size_t i = 0; i < elements; ++i) accumulator[i] += scale * (float)(int8_t)in[i];
  return kTidewayCodecOk;
}

static whole_numbers limits = {100.0f};
static const TidewayCodecModule kWholeNumbers = {kTidewayCodecModuleVersion,
                                                 210,
                                                 "whole",
                                                 0,
                                                 1,
                                                 &limits,
                                                 codec_create,
                                                 codec_destroy,
                                                 codec_bound,
                                                 codec_encode,
                                                 codec_decode_add};

/* theta -= the mean of the last two deltas: the first of each two is kept. */
static int mean_create(void* user, const char* spec, void** optimizer, char* error) {
  (void)error;
  EXPECT(strcmp(spec, "mean2") == 0);
  *optimizer = user;
  return kTidewayCodecOk;
}

static void mean_destroy(void* optimizer) { ++*(int*)optimizer; }

static size_t mean_slot_count(const void* optimizer) {
  (void)optimizer;
  return 1;
}

static int mean_apply(const void* optimizer, float* theta, const float* delta, size_t elements,
                      const tideway_apply_context* context, tideway_optimizer_state* state,
                      char* error) {
  (void)optimizer;
  if (delta[0] == 13.0f) {
    snprintf(error, kTidewayCodecErrorBytes, "thirteen brings bad luck");
    return TIDEWAY_APPLY_FAILED;
  }
  float* const sum = state->slots[0];
  for (size_t i = 0; i < elements; ++i) sum[i] += context->weight * delta[i];
  if (++state->pushes < 2) return TIDEWAY_BUFFERED;
  for (size_t i = 0; i < elements; ++i) {
    theta[i] -= sum[i] / 2;
    sum[i] = 0;
  }
  state->pushes = 0;
  return TIDEWAY_APPLIED;
}

static int mean_destroyed;
static const tideway_outer_optimizer kMean = {sizeof(tideway_outer_optimizer),
                                              "mean2",
                                              &mean_destroyed,
                                              mean_create,
                                              mean_destroy,
                                              mean_slot_count,
                                              mean_apply};

static tideway_status push_all(tideway_client* client, float value, tideway_push_report* report) {
  float delta[kElements];
  for (size_t i = 0; i < kElements; ++i) delta[i] = value;
  report->struct_size = sizeof *report;
  return tideway_client_push(client, delta, sizeof delta, NULL, 10000, report);
}

static void a_codec_written_in_c_carries_a_push(void) {
  const TidewayCodecModule* const codecs[] = {&kWholeNumbers};
  const tideway_runtime_options options = {
      .struct_size = sizeof options, .codecs = codecs, .codec_count = 1};
  fixture f;
  fixture_start(&f, &options, "tcp://127.0.0.1:0", "sgd:lr=1", 10.0f);
  f.client.codec_up = "whole";
  tideway_client* const client = fixture_connect(&f);
  tideway_push_report report;
  EXPECT_OK(push_all(client, 2.25f, &report));
  EXPECT(report.bytes == kElements && report.bytes_fp32 == sizeof(float) * kElements);
  float theta[kElements];
  EXPECT_OK(tideway_client_pull(client, theta, sizeof theta, NULL, 0, NULL));
  EXPECT(theta[0] == 8.0f);
  EXPECT_OK(push_all(client, 0.5f, &report)); /* 0.25 waited in the residual */
  EXPECT_OK(tideway_client_pull(client, theta, sizeof theta, NULL, 0, NULL));
  EXPECT(theta[0] == 7.0f);
  EXPECT_FAILS(push_all(client, 101.0f, &report), TIDEWAY_INTERNAL, "element 0 is larger");
  EXPECT_OK(push_all(client, 1.0f, &report));
  EXPECT_OK(tideway_client_free(client));
  f.client.codec_up = "whole:x=1";
  tideway_client* none = NULL;
  EXPECT_FAILS(tideway_client_connect(f.runtime, &f.client, f.layout, 0, &none),
               TIDEWAY_INVALID_ARGUMENT, "there are none");
  fixture_stop(&f);
}

static void a_codec_module_file_is_loaded_by_its_path(void) {
  const char* const files[] = {TIDEWAY_EXAMPLE_CODEC};
  const tideway_runtime_options options = {
      .struct_size = sizeof options, .codec_files = files, .codec_file_count = 1};
  fixture f;
  fixture_start(&f, &options, "inproc://module", "sgd:lr=1", 0.0f);
  f.client.codec_up = "truncate:keep=2";
  tideway_client* const client = fixture_connect(&f);
  tideway_push_report report;
  EXPECT_OK(push_all(client, 1.0f, &report));
  EXPECT(report.bytes == 1 + 2 * kElements);
  EXPECT_OK(tideway_client_free(client));
  fixture_stop(&f);
}

static void an_outer_optimizer_written_in_c_steps_the_server(void) {
  const tideway_outer_optimizer* const optimizers[] = {&kMean};
  const tideway_runtime_options options = {
      .struct_size = sizeof options, .outer_optimizers = optimizers, .outer_optimizer_count = 1};
  fixture f;
  mean_destroyed = 0;
  fixture_start(&f, &options, "tcp://127.0.0.1:0", "mean2", 10.0f);
  tideway_client* const client = fixture_connect(&f);
  tideway_push_report report;
  EXPECT_OK(push_all(client, 2.0f, &report));
  EXPECT(report.buffered == 1);
  EXPECT_OK(push_all(client, 4.0f, &report));
  EXPECT(report.applied == 1);
  float theta[kElements];
  EXPECT_OK(tideway_server_read(f.server, theta, sizeof theta));
  EXPECT(theta[0] == 7.0f);
  EXPECT_OK(tideway_client_free(client));
  fixture_stop(&f);
  EXPECT(mean_destroyed > 0);
}

static void an_outer_optimizer_that_fails_refuses_the_push_with_its_reason(void) {
  const tideway_outer_optimizer* const optimizers[] = {&kMean};
  const tideway_runtime_options options = {
      .struct_size = sizeof options, .outer_optimizers = optimizers, .outer_optimizer_count = 1};
  fixture f;
  fixture_start(&f, &options, "tcp://127.0.0.1:0", "mean2", 10.0f);
  tideway_client* const client = fixture_connect(&f);
  tideway_push_report report;
  EXPECT_FAILS(push_all(client, 13.0f, &report), TIDEWAY_INTERNAL, "thirteen brings bad luck");
  EXPECT_OK(tideway_client_free(client));
  /* The server goes on for others. */
  f.client.worker = "another";
  tideway_client* const other = fixture_connect(&f);
  EXPECT_OK(push_all(other, 1.0f, &report));
  EXPECT_OK(push_all(other, 1.0f, &report));
  float theta[kElements];
  EXPECT_OK(tideway_server_read(f.server, theta, sizeof theta));
  EXPECT(theta[0] == 9.0f);
  EXPECT_OK(tideway_client_free(other));
  fixture_stop(&f);
}

static void tables_that_can_not_be_are_refused(void) {
  tideway_runtime* runtime = NULL;
  TidewayCodecModule codec = kWholeNumbers;
  codec.wire_id = 4;
  const TidewayCodecModule* const codecs[] = {&codec};
  tideway_runtime_options options = {
      .struct_size = sizeof options, .codecs = codecs, .codec_count = 1};
  EXPECT_FAILS(tideway_runtime_create(TIDEWAY_ABI_VERSION, &options, &runtime),
               TIDEWAY_INVALID_ARGUMENT, "wire id 4");
  tideway_outer_optimizer optimizer = kMean;
  const tideway_outer_optimizer* const optimizers[] = {&optimizer};
  options.codec_count = 0;
  options.outer_optimizers = optimizers;
  options.outer_optimizer_count = 1;
  optimizer.name = "sgd";
  EXPECT_FAILS(tideway_runtime_create(TIDEWAY_ABI_VERSION, &options, &runtime),
               TIDEWAY_ALREADY_EXISTS, "sgd");
  optimizer.name = "mean:2";
  EXPECT_FAILS(tideway_runtime_create(TIDEWAY_ABI_VERSION, &options, &runtime),
               TIDEWAY_INVALID_ARGUMENT, "no name");
  optimizer.name = "mean2";
  optimizer.apply = NULL;
  EXPECT_FAILS(tideway_runtime_create(TIDEWAY_ABI_VERSION, &options, &runtime),
               TIDEWAY_INVALID_ARGUMENT, "leaves a function out");
  const char* const files[] = {"/nowhere.so"};
  const tideway_runtime_options missing = {
      .struct_size = sizeof missing, .codec_files = files, .codec_file_count = 1};
  EXPECT_FAILS(tideway_runtime_create(TIDEWAY_ABI_VERSION, &missing, &runtime), TIDEWAY_NOT_FOUND,
               "/nowhere.so");
  EXPECT(runtime == NULL);
}

const test kPluginTests[] = {
    {"a_codec_written_in_c_carries_a_push", a_codec_written_in_c_carries_a_push},
    {"a_codec_module_file_is_loaded_by_its_path", a_codec_module_file_is_loaded_by_its_path},
    {"an_outer_optimizer_written_in_c_steps_the_server",
     an_outer_optimizer_written_in_c_steps_the_server},
    {"an_outer_optimizer_that_fails_refuses_the_push_with_its_reason",
     an_outer_optimizer_that_fails_refuses_the_push_with_its_reason},
    {"tables_that_can_not_be_are_refused", tables_that_can_not_be_are_refused},
    {NULL, NULL}};
