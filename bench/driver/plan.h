// Plan: what a subcommand does: its cases, how one of them is measured, and how all of them look as a table. What is the same for every
// plan (progress, outputs, failures) is in run.h.
//
// Threads: a plain value; what its functions refer to outlives it.

#ifndef TIDEWAY_BENCH_DRIVER_PLAN_H_
#define TIDEWAY_BENCH_DRIVER_PLAN_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/driver/progress.h"
#include "bench/driver/result.h"
#include "nlohmann/json.hpp"

namespace bench {

struct Plan {
  std::vector<Case> cases;
  size_t steps = 0;  // that measuring all of them begins
  // A result as docs/benchmarks.md describes it, or one sentence that says why there is none. Blocks.
  std::function<absl::StatusOr<nlohmann::json>(const Case&, Progress&)> measure;
  // Of all that has been measured, for people.
  std::function<std::string()> table;
  // What follows from all results together, as keys of the document.
  std::function<nlohmann::json()> conclusions = [] { return nlohmann::json::object(); };
  // What --trace asks for, of the same.
  std::function<std::string()> trace = nullptr;
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_PLAN_H_
