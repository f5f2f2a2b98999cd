// Placing: which processors and which NUMA node --cpus and --numa give to the worker's and to the server's end (bench/common/placement.h).
//
// Threads: plain values and functions.

#ifndef TIDEWAY_BENCH_DRIVER_PLACING_H_
#define TIDEWAY_BENCH_DRIVER_PLACING_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace bench {

struct Placing {
  std::string worker_cpus;  // "0,2-3"; empty: all
  std::string server_cpus;
  std::string numa;  // of both; empty: any

  // For a program of the benchmark.
  std::vector<std::string> WorkerOptions() const;
  std::vector<std::string> ServerOptions() const;
  // Processors of the worker's end; `otherwise` where any will do.
  size_t WorkerCores(size_t otherwise) const;
};

// `cpus`: a list for both ends, or one for each, "0-3/4-7". INVALID_ARGUMENT: that is none. What there is is seen where it is used.
absl::StatusOr<Placing> ParsePlacing(absl::string_view cpus, absl::string_view numa);

// Runs `work` on a thread of its own that stays where the worker's end does. INVALID_ARGUMENT, with what there is: it can't stay there.
absl::Status RunPlaced(const Placing& placing, const std::function<void()>& work);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_PLACING_H_
