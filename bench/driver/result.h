// Result: what was measured of one case, Tideway beside raw, over all rounds; and how a run is written down as JSON
// (docs/benchmarks.md describes the form).
//
// Threads: plain values.

#ifndef TIDEWAY_BENCH_DRIVER_RESULT_H_
#define TIDEWAY_BENCH_DRIVER_RESULT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "bench/common/histogram.h"
#include "bench/driver/pair.h"
#include "bench/driver/stages.h"
#include "bench/driver/statistics.h"
#include "nlohmann/json.hpp"

namespace bench {

inline constexpr char kSchema[] = "tideway-bench/1";
inline constexpr char kRawSubcommand[] = "raw";
inline constexpr char kCodecSubcommand[] = "codec";
inline constexpr char kTrainSubcommand[] = "train-step";
inline constexpr char kNoTransport[] = "none";  // of what goes over no wire

// What is to be measured.
struct Case {
  std::string subcommand;
  std::string transport;  // a provider's name
  size_t size_bytes = 0;
  std::string codec = "identity";
  size_t workers = 0;      // of incast; 0: one
  std::string form = "";   // of raw: push, pull or push-pull
  size_t inner_steps = 0;  // of train-step: between two exchanges
  std::string link = "";   // that was simulated: "1gbit,40ms,0.1%"
};

// "push tcp identity 64 MiB", "incast tcp identity 4 MiB of 32", "raw push tcp identity 64 MiB": tells cases apart.
std::string NameOf(const Case& what);

// One side, over all rounds.
struct Summary {
  Estimate goodput_gbytes_per_s;  // of the rounds
  Estimate p50_us;                // of the rounds' medians
  Estimate cpu_s_per_gb;          // both ends
  double client_cpu_s_per_gb = 0;
  double server_cpu_s_per_gb = 0;
  Histogram latencies;     // of all rounds together
  Histogram small_pushes;  // of incast: what went on beside
  double seconds = 0;
};

// REQUIRES: a round.
Summary Summarise(const std::vector<Measured>& rounds);

struct Result {
  Case what;
  std::vector<Measured> rounds;  // of the raw program where nothing but that was asked for
  // The raw program in the same rounds; empty: nobody asked for it.
  std::vector<Measured> raw_rounds;
  std::string raw_program;
  size_t raw_chunk_bytes = 0;

  bool only_raw() const { return what.subcommand == kRawSubcommand; }
  // Of all rounds; empty: nobody asked for stages.
  std::vector<FragmentTimes> Fragments() const;
  bool by_latency() const { return what.subcommand == "latency"; }
  // Of the goodput, or for `latency` of the rounds' medians. REQUIRES: raw_rounds.
  Estimate RatioToRaw() const;
  Estimate GoodputRatio() const;
  Estimate LatencyRatio() const;
  Estimate CpuRatio() const;
};

// A case that could not be measured, and why.
struct Failure {
  Case what;
  std::string error;
};

// The keys that every result has: those of its case, and those of its rounds. REQUIRES: a round.
nlohmann::json CaseJson(const Case& what);
nlohmann::json SideJson(const std::vector<Measured>& rounds);
nlohmann::json ToJson(const Result& result);
nlohmann::json ToJson(const Failure& failure);

// For people: a line per result.
std::string ResultTable(const std::vector<Result>& results);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_RESULT_H_
