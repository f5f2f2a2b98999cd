// Program: a benchmark program that a driver started and talks with: lines to it, one JSON object per line from it
// (bench/common/control.h).
//
// Threads: one at a time. Statuses: UNAVAILABLE (it ended; the text is what it last said on stderr), the system's (it could not be started),
// DEADLINE_EXCEEDED (it fell silent), INTERNAL (it answered what is no JSON object). The destructor ends the program: by the end of
// its stdin, and by force where that is not enough.

#ifndef TIDEWAY_BENCH_DRIVER_PROGRAM_H_
#define TIDEWAY_BENCH_DRIVER_PROGRAM_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace bench {

class Program {
 public:
  virtual ~Program() = default;

  // What it says next.
  virtual absl::StatusOr<nlohmann::json> Answer(absl::Duration patience) = 0;
  // What it says to `line`.
  virtual absl::StatusOr<nlohmann::json> Ask(const std::string& line, absl::Duration patience) = 0;
};

// `command`: the path of an executable, and its arguments.
absl::StatusOr<std::unique_ptr<Program>> StartProgram(const std::vector<std::string>& command);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_PROGRAM_H_
