// The shape of the model. Apart from gpt.h so that flags, tests and reports need no LibTorch.
#ifndef TIDEWAY_TRAINER_GPT_CONFIG_H_
#define TIDEWAY_TRAINER_GPT_CONFIG_H_

#include <cstdint>

#include "absl/status/status.h"

namespace tideway::trainer {

inline constexpr int kVocabulary = 256;

struct GptConfig {
  int layers = 2;
  int heads = 4;
  int width = 128;
  int context = 64;  // tokens
};

// InvalidArgument with one sentence where the shape makes no sense or is absurdly large.
absl::Status ValidateGptConfig(const GptConfig& config);

// Number of fp32 values, without building the model.
int64_t ParameterCount(const GptConfig& config);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_GPT_CONFIG_H_
