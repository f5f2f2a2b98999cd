#include "trainer/schedule.h"

#include <algorithm>
#include <cmath>

namespace tideway::trainer {

double LearningRate(const Schedule& schedule, double progress) {
  const double p = std::clamp(progress, 0.0, 1.0);
  const double low = schedule.peak * schedule.final_ratio;
  if (p < schedule.warmup_share) {
    // The first step already moves: warm-up starts at the final rate, not at zero.
    return low + (schedule.peak - low) * p / schedule.warmup_share;
  }
  const double along = (p - schedule.warmup_share) / std::max(1e-9, 1.0 - schedule.warmup_share);
  return low + 0.5 * (schedule.peak - low) * (1.0 + std::cos(M_PI * along));
}

}  // namespace tideway::trainer
