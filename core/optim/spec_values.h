// What the specs of outer optimizers have in common beyond SpecReader.

#ifndef TIDEWAY_CORE_OPTIM_SPEC_VALUES_H_
#define TIDEWAY_CORE_OPTIM_SPEC_VALUES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tideway/outer_optimizer.h"
#include "tideway/spec.h"

namespace tideway::optim {

// Ranges that all outer optimizers share.
inline constexpr double kLearningRateMax = 1000;
inline constexpr double kMomentumMax = 0.9999;
inline constexpr int64_t kWindowPushesMax = 1 << 16;

// The shortest text that reads back as the same number.
std::string NumberText(double value);

// How many pushes make a window: a fixed number, or `auto`, the workers active when the window
// begins.
class WindowPushes {
 public:
  // Reads `key` from `spec` (and marks it as known to `reader`).
  static absl::StatusOr<WindowPushes> Read(const Spec& spec, SpecReader& reader,
                                           absl::string_view key, absl::string_view fallback);

  std::string ToString() const;
  bool is_auto() const { return pushes_ == 0; }
  // REQUIRES: !is_auto().
  uint32_t pushes() const { return pushes_; }
  // The length of the window that `state` is in; latches it if the push at hand begins one.
  uint32_t Latch(const ApplyContext& context, OuterState& state) const;

 private:
  explicit WindowPushes(uint32_t pushes) : pushes_(pushes) {}

  uint32_t pushes_;  // 0: auto
};

}  // namespace tideway::optim

#endif  // TIDEWAY_CORE_OPTIM_SPEC_VALUES_H_
