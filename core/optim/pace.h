// How fast a worker is, as moving averages over its assignments, and how many steps it gets for that.

#ifndef TIDEWAY_CORE_OPTIM_PACE_H_
#define TIDEWAY_CORE_OPTIM_PACE_H_

#include <cstdint>

#include "absl/time/time.h"

namespace tideway::optim {

// The weight of the newest assignment in the averages.
inline constexpr double kPaceSmoothing = 0.3;

struct Pace {
  double steps_per_second = 0;  // inner steps, while computing; 0: unknown
  double overhead_seconds = 0;  // of a cycle: what is not computing (exchange and waiting)
  double cycle_seconds = 0;     // release to arrival of an assignment of full length; 0: unknown

  bool known() const { return steps_per_second > 0; }

  // Takes in an assignment of `steps` that computed for `busy_seconds` and arrived `cycle` after its release. `whole`: it had
  // its full length. Reports that can't be true (no steps, no time, not a number) change nothing.
  void Observe(uint32_t steps, double busy_seconds, absl::Duration cycle, bool whole);

  // How long an assignment of `steps` takes, release to arrival. REQUIRES: known().
  absl::Duration Expected(uint32_t steps) const;
};

// Dynamic local updates (Liu et al., arXiv 2401.09135): max(1, floor(v / v_max * H)). An unknown speed (0) counts as v_max.
uint32_t DyluSteps(double steps_per_second, double steps_per_second_max, uint32_t inner_steps);

}  // namespace tideway::optim

#endif  // TIDEWAY_CORE_OPTIM_PACE_H_
