// Breakdown: how long each stage of a push takes, over all that were noted, for the table, the JSON and a picture.
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_BREAKDOWN_H_
#define TIDEWAY_BENCH_DRIVER_BREAKDOWN_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "bench/driver/stages.h"
#include "nlohmann/json.hpp"

namespace bench {

struct StageSummary {
  double mean_us = 0;  // of a fragment
  double p50_us = 0;
  double p99_us = 0;
  // The share of a push's time in which at least one of its fragments is in this stage; over 1 in sum where stages overlap.
  double of_push = 0;
};

struct Breakdown {
  size_t fragments = 0;
  size_t pushes = 0;       // that all fragments were noted of
  double push_p50_us = 0;  // from its begin to the last acknowledgement
  std::array<StageSummary, kStages.size()> stages;
};

Breakdown BreakDown(const std::vector<FragmentTimes>& fragments);

nlohmann::json ToJson(const Breakdown& breakdown);

// A line per stage of each case, by the case's name.
std::string BreakdownTable(const std::vector<std::pair<std::string, Breakdown>>& breakdowns);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_BREAKDOWN_H_
