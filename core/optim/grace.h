// How long a grace window stays open: long enough for the spread with which workers that started together arrive, and
// never longer than a fraction of a cycle.

#ifndef TIDEWAY_CORE_OPTIM_GRACE_H_
#define TIDEWAY_CORE_OPTIM_GRACE_H_

#include <cstdint>
#include <map>
#include <optional>

#include "absl/time/time.h"
#include "tideway/server.h"

namespace tideway::optim {

// The observed spread of arrivals: among workers released together, the time from the first arrival to the last. The
// largest value seen counts, and fades by kSpreadFading with each window. Arrivals after their window has closed count too:
// they are what the window was too short for.
class ArrivalSpread {
 public:
  // A worker of those released after `window` arrives. Its lag counts up to lag_max, so that one worker that hung is
  // forgotten soon.
  void Note(uint64_t window, absl::Time now, absl::Duration lag_max);

  // A window has closed. Nobody who was released before `oldest_window` is still on the way.
  void WindowClosed(uint64_t oldest_window);

  // Nothing until two workers that started together have arrived.
  std::optional<absl::Duration> value() const { return spread_; }
  void set_value(std::optional<absl::Duration> spread) { spread_ = spread; }

 private:
  std::optional<absl::Duration> spread_;
  std::map<uint64_t, absl::Time> first_arrivals_;  // by the window after which they were released
};

inline constexpr double kSpreadFading = 0.9;

// min(fraction_max cycle, max(spread_factor spread, fraction_min cycle)); the cap while no spread has been observed.
absl::Duration GraceLength(const SchedulingOptions& options, absl::Duration cycle,
                           std::optional<absl::Duration> spread);

}  // namespace tideway::optim

#endif  // TIDEWAY_CORE_OPTIM_GRACE_H_
