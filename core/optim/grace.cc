#include "core/optim/grace.h"

#include <algorithm>

namespace tideway::optim {

void ArrivalSpread::Note(uint64_t window, absl::Time now, absl::Duration lag_max) {
  const auto [first, is_first] = first_arrivals_.try_emplace(window, now);
  if (is_first) return;
  const absl::Duration lag = std::min(now - first->second, lag_max);
  spread_ = std::max(spread_.value_or(absl::ZeroDuration()), lag);
}

void ArrivalSpread::WindowClosed(uint64_t oldest_window) {
  if (spread_.has_value()) *spread_ *= kSpreadFading;
  first_arrivals_.erase(first_arrivals_.begin(), first_arrivals_.lower_bound(oldest_window));
}

absl::Duration GraceLength(const SchedulingOptions& options, absl::Duration cycle,
                           std::optional<absl::Duration> spread) {
  const absl::Duration cap = options.grace_fraction_max * cycle;
  if (!spread.has_value()) return cap;
  const absl::Duration wanted =
      std::max(options.grace_spread_factor * *spread, options.grace_fraction_min * cycle);
  return std::min(wanted, cap);
}

}  // namespace tideway::optim
