// Placement: on which processors a process runs, and from which NUMA node's memory it takes its own, as the kernel's interface has it.
//
// Throws std::invalid_argument, with a sentence for the user, for what can't be read or is not there; std::system_error for what the
// kernel refuses.

#ifndef TIDEWAY_BENCH_COMMON_PLACEMENT_H_
#define TIDEWAY_BENCH_COMMON_PLACEMENT_H_

#include <string>
#include <vector>

#include "bench/common/options.h"

namespace bench {

// As a list of processors or nodes is written, by the kernel too: "0,2-3".
std::vector<int> ParseNumberList(const std::string& text);

// The calling thread, and all that it starts from now on, stays on these processors, "0,2-3", and takes memory from the NUMA node
// `numa` alone; without processors it stays on that node's. Empty: as it is.
void Place(const std::string& cpus, const std::string& numa);

// As --cpus and --numa say.
void Place(const Options& options);

}  // namespace bench

#endif  // TIDEWAY_BENCH_COMMON_PLACEMENT_H_
