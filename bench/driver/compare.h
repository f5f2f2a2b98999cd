// compare: one run against another, case by case.
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_COMPARE_H_
#define TIDEWAY_BENCH_DRIVER_COMPARE_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace bench {

// What was done to one case between two runs. Where both runs have raw beside it, the ratios to raw are compared, since a machine that
// has become slower changes these least; else the goodput, or for `latency` the median latency.
struct Change {
  std::string name;    // of the case
  std::string figure;  // that is compared
  double before = 0;
  double after = 0;
  double ratio = 0;  // after / before
  double low = 0;    // of the ratio's interval: as far as both figures' intervals allow
  double high = 0;
  double worse_by = 0;  // a share: 0.1 is a tenth worse; negative: better
  // The interval excludes that nothing has changed for the worse, and it is worse by more than the threshold.
  bool regression = false;
};

struct Comparison {
  std::vector<Change> changes;
  std::vector<std::string> only_before;  // names of cases
  std::vector<std::string> only_after;
};

// REQUIRES: runs that ReadRun gave. `threshold`: a share.
Comparison Compare(const nlohmann::json& before, const nlohmann::json& after, double threshold);

std::string ComparisonTable(const Comparison& comparison);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_COMPARE_H_
