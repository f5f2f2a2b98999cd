// The plan of `tideway-bench train-step`: what communication leaves of a worker's time, for each transport, number of parameters, codec
// and number of inner steps between two exchanges (bench/peer/train_step.h).
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_TRAIN_PLAN_H_
#define TIDEWAY_BENCH_DRIVER_TRAIN_PLAN_H_

#include "absl/status/statusor.h"
#include "bench/driver/context.h"
#include "bench/driver/flags.h"
#include "bench/driver/host.h"
#include "bench/driver/plan.h"

namespace bench {

// NOT_FOUND: a transport that there is not; UNAVAILABLE: one that can't work here. The arguments outlive the plan.
absl::StatusOr<Plan> TrainPlan(const Flags& flags, const CommandContext& context, Host& host);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_TRAIN_PLAN_H_
