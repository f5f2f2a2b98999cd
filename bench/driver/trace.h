// Trace: real pushes as Chrome's trace events (a JSON object with "traceEvents"), which Perfetto and chrome://tracing show: a process
// each for worker, wire and server of every case, and as many lanes as fragments were in one place at a time.
//
// Threads: one at a time.

#ifndef TIDEWAY_BENCH_DRIVER_TRACE_H_
#define TIDEWAY_BENCH_DRIVER_TRACE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "bench/driver/stages.h"
#include "nlohmann/json.hpp"

namespace bench {

class Trace {
 public:
  // Of a case; more than that, and the oldest are left out: a viewer has to hold them.
  static constexpr size_t kFragmentsMax = 1024;

  // What was noted of the case that is called `name`.
  void Add(const std::string& name, const std::vector<FragmentTimes>& fragments);

  std::string ToString() const;

 private:
  void AddPlace(const std::string& name, StagePlace place,
                const std::vector<FragmentTimes>& fragments, int64_t zero_ns);

  nlohmann::json events_ = nlohmann::json::array();
  int processes_ = 0;
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_TRACE_H_
