// Reports: what a run's JSON (docs/benchmarks.md) says, in other forms: as CSV for programs, as pictures and a page for people.
//
// Threads: plain functions. What the JSON lacks is left out.

#ifndef TIDEWAY_BENCH_DRIVER_REPORT_H_
#define TIDEWAY_BENCH_DRIVER_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace bench {

// A run from a file. NOT_FOUND: it can't be read; INVALID_ARGUMENT: it is not what tideway-bench writes.
absl::StatusOr<nlohmann::json> ReadRun(const std::string& file);

// As NameOf of its case.
std::string CaseName(const nlohmann::json& result);
// The text at a key; empty where there is none.
std::string TextOf(const nlohmann::json& result, const char* key);
// The number at a path of keys; NaN where there is none.
double Figure(const nlohmann::json& result, const std::vector<std::string>& path);

// A line of titles, and one per result.
std::string RunCsv(const nlohmann::json& run);

struct NamedPicture {
  std::string name;  // of a file
  std::string svg;
};
// Goodput, median latency, CPU, ratio to raw and the like against the size, each for every subcommand that has them at more than one
// size; and the stages of pushes as bars.
std::vector<NamedPicture> RunPictures(const nlohmann::json& run);

// Pictures, all figures, and where they are from, in one file that needs no other.
std::string RunHtml(const nlohmann::json& run);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_REPORT_H_
