// The plan of `tideway-bench codec`: each codec with each size, in this process and over no wire.
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_CODEC_PLAN_H_
#define TIDEWAY_BENCH_DRIVER_CODEC_PLAN_H_

#include "bench/driver/flags.h"
#include "bench/driver/plan.h"

namespace bench {

// `flags` outlive the plan.
Plan CodecPlan(const Flags& flags);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_CODEC_PLAN_H_
