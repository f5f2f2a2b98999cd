// Run: carries out a plan, case by case, and writes down what was measured and what was not.
//
// Threads: blocks its caller for as long as it measures.

#ifndef TIDEWAY_BENCH_DRIVER_RUN_H_
#define TIDEWAY_BENCH_DRIVER_RUN_H_

#include <iosfwd>

#include "bench/driver/context.h"
#include "bench/driver/flags.h"
#include "bench/driver/plan.h"
#include "nlohmann/json.hpp"

namespace bench {

// Tables and JSON go to `out`, progress and errors to `err`. `server`: what another host said of itself, or null. Returns the exit
// status: 0 all was measured and written; 1 something was not.
int CarryOut(const Plan& plan, const Flags& flags, const CommandContext& context,
             const nlohmann::json& server, std::ostream& out, std::ostream& err);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_RUN_H_
