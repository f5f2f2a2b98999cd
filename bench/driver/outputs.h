// Where a run is written to, beside the table: files, or "-" for standard output.
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_OUTPUTS_H_
#define TIDEWAY_BENCH_DRIVER_OUTPUTS_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace bench {

// Empty: not asked for.
struct Outputs {
  std::string json;
  std::string csv;
  std::string html;
  std::string svg;    // a folder, which gets a file for each picture
  std::string trace;  // of what plans trace

  bool to_standard_output() const {
    return json == "-" || csv == "-" || html == "-" || trace == "-";
  }
};

// Into `file`, or to `out` for "-". UNAVAILABLE: that can't be written.
absl::Status WriteText(const std::string& file, const std::string& text, std::ostream& out);

std::string RunText(const nlohmann::json& run);

// All that is asked for. UNAVAILABLE as above.
absl::Status WriteOutputs(const nlohmann::json& run, const Outputs& outputs, std::ostream& out);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_OUTPUTS_H_
