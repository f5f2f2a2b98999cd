#include "trainer/gpt_config.h"

#include "absl/strings/str_cat.h"

namespace tideway::trainer {
namespace {

absl::Status InRange(const char* flag, int value, int least, int most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " must be from ", least, " to ", most, ", not ", value, "."));
}

}  // namespace

absl::Status ValidateGptConfig(const GptConfig& config) {
  if (absl::Status s = InRange("--layers", config.layers, 1, 96); !s.ok()) return s;
  if (absl::Status s = InRange("--heads", config.heads, 1, 128); !s.ok()) return s;
  if (absl::Status s = InRange("--width", config.width, 8, 16384); !s.ok()) return s;
  if (absl::Status s = InRange("--context", config.context, 2, 8192); !s.ok()) return s;
  if (config.width % config.heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--width ", config.width, " must be a multiple of --heads ", config.heads, "."));
  }
  return absl::OkStatus();
}

int64_t ParameterCount(const GptConfig& config) {
  const int64_t d = config.width;
  const int64_t per_layer = 12 * d * d + 2 * d;  // qkv 3, out 1, mlp 4 + 4 squares; two norms
  return (kVocabulary + config.context) * d + config.layers * per_layer + d;
}

}  // namespace tideway::trainer
