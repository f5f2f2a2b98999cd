#include "core/optim/pace.h"

#include <algorithm>
#include <cmath>

namespace tideway::optim {
namespace {

// An average that starts at its first value.
void Average(double value, bool first, double& average) {
  average = first ? value : (1 - kPaceSmoothing) * average + kPaceSmoothing * value;
}

}  // namespace

void Pace::Observe(uint32_t steps, double busy_seconds, absl::Duration cycle, bool whole) {
  const double speed = steps / busy_seconds;
  if (steps == 0 || !(busy_seconds > 0) || !std::isfinite(speed) || !(speed > 0)) return;
  const double cycle_now = absl::ToDoubleSeconds(cycle);
  const bool first = !known();
  Average(std::max(cycle_now - busy_seconds, 0.0), first, overhead_seconds);
  Average(speed, first, steps_per_second);
  if (cycle_now > 0 && (whole || cycle_seconds == 0)) {
    Average(cycle_now, cycle_seconds == 0, cycle_seconds);
  }
}

absl::Duration Pace::Expected(uint32_t steps) const {
  return absl::Seconds(overhead_seconds + steps / steps_per_second);
}

uint32_t DyluSteps(double steps_per_second, double steps_per_second_max, uint32_t inner_steps) {
  if (steps_per_second <= 0 || steps_per_second >= steps_per_second_max) return inner_steps;
  // The crumb keeps a worker of exactly half the speed at H / 2 where the division rounds down.
  const double steps = std::floor(steps_per_second / steps_per_second_max * inner_steps + 1e-9);
  return std::max(1u, static_cast<uint32_t>(steps));
}

}  // namespace tideway::optim
