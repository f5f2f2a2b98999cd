// What a result must say about where it came from: machine, versions, commit.
//
// Threads: plain functions. What can't be found out is left empty.

#ifndef TIDEWAY_BENCH_DRIVER_MACHINE_H_
#define TIDEWAY_BENCH_DRIVER_MACHINE_H_

#include <string>

#include "nlohmann/json.hpp"
#include "tideway/transport.h"

namespace bench {

// {"host", "processor", "cores", "memory_bytes", "kernel", "system", "huge_pages", "congestion_control", "load_before"}
nlohmann::json DescribeMachine();

// {"tideway", "compiler", and one for each transport's library}
nlohmann::json DescribeVersions(const tideway::TransportRegistry& transports);

// Of the sources that this was built from, with "-dirty" where they had been changed; empty: not built from a repository.
std::string SourceCommit();

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_MACHINE_H_
