// How long to wait before the next attempt to connect: doubling, bounded, with jitter, so that the workers of a server that
// comes back do not all knock at once.

#ifndef TIDEWAY_CORE_RUNTIME_BACKOFF_H_
#define TIDEWAY_CORE_RUNTIME_BACKOFF_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace tideway {

class Backoff {
 public:
  static constexpr int64_t kFirstMs = 50;
  static constexpr int64_t kMaxMs = 5000;

  // Between half of the current step and the whole of it, as `random` decides.
  absl::Duration Next(uint64_t random) {
    const int64_t step_ms = step_ms_;
    step_ms_ = std::min(2 * step_ms_, kMaxMs);
    const double share =
        0.5 + 0.5 * static_cast<double>(random >> 11) / static_cast<double>(uint64_t{1} << 53);
    return absl::Milliseconds(step_ms) * share;
  }

  void Reset() { step_ms_ = kFirstMs; }

 private:
  int64_t step_ms_ = kFirstMs;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_BACKOFF_H_
