// The plan of `tideway-bench push --link`: each codec over each simulated link, and which of them is the quickest where.
//
// A codec's speed is measured first, in the same run and on this machine (codec_speed.h), and then charged in virtual time
// (simulated_pushes.h): at the median, and at both ends of its interval, which makes the interval of what is found. Nothing else in
// the simulation is left to chance.
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_LINK_PLAN_H_
#define TIDEWAY_BENCH_DRIVER_LINK_PLAN_H_

#include "absl/status/statusor.h"
#include "bench/driver/flags.h"
#include "bench/driver/plan.h"

namespace bench {

// INVALID_ARGUMENT: a congestion control that there is no model of. `flags` outlive the plan.
absl::StatusOr<Plan> LinkPlan(const Flags& flags);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_LINK_PLAN_H_
