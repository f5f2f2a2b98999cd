// Crossover: which codec is the quickest over which link.
//
// Threads: plain values and functions.

#ifndef TIDEWAY_BENCH_DRIVER_CROSSOVER_H_
#define TIDEWAY_BENCH_DRIVER_CROSSOVER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "bench/driver/statistics.h"
#include "nlohmann/json.hpp"

namespace bench {

// What one codec does over one link.
struct LinkGoodput {
  std::string link;
  size_t size_bytes = 0;
  std::string codec;
  Estimate gbytes_per_s;
};

struct Winner {
  std::string link;
  size_t size_bytes = 0;
  std::string codec;
  // Others whose intervals reach its own: which of them is quicker is not shown.
  std::vector<std::string> not_told_apart;
  std::vector<LinkGoodput> codecs;  // all of them, in the order in which they were measured
};

// One for each size and link, in the order in which these were measured.
std::vector<Winner> Winners(const std::vector<LinkGoodput>& measured);

nlohmann::json ToJson(const std::vector<Winner>& winners);
std::string CrossoverTable(const std::vector<Winner>& winners);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_CROSSOVER_H_
