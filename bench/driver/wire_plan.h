// The plan of the subcommands that move bytes over a wire: each case with every transport, size, codec and number of workers that the
// flags name.
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_WIRE_PLAN_H_
#define TIDEWAY_BENCH_DRIVER_WIRE_PLAN_H_

#include "absl/status/statusor.h"
#include "bench/driver/context.h"
#include "bench/driver/flags.h"
#include "bench/driver/host.h"
#include "bench/driver/measure.h"
#include "bench/driver/plan.h"

namespace bench {

MeasureSettings SettingsOf(const Flags& flags, const CommandContext& context, const Host& host);

// NOT_FOUND: a transport that there is not; UNAVAILABLE: one that can't work here, or that has nothing to be measured.
// The arguments outlive the plan.
absl::StatusOr<Plan> WirePlan(const Flags& flags, const CommandContext& context, Host& host);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_WIRE_PLAN_H_
