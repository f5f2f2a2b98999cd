// A pair: two programs, a server and a client, of which the client pushes or pulls for a while. Raw programs and Tideway's own take
// the same lines (bench/common/control.h), so one driver measures both alike.
//
// Threads: MeasurePair blocks its caller. Statuses: what a program complained of; DATA_LOSS: what arrived is not what was sent.

#ifndef TIDEWAY_BENCH_DRIVER_PAIR_H_
#define TIDEWAY_BENCH_DRIVER_PAIR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/common/histogram.h"
#include "bench/driver/stages.h"

namespace bench {

// Beyond the time that a program works: joining, warming up, looking through all data.
inline constexpr absl::Duration kProgramPatience = absl::Seconds(60);

struct PairCommand {
  std::string program;              // "tideway", "raw_sockets": what another host knows it by
  std::vector<std::string> start;   // its path here, and what always comes first
  std::vector<std::string> server;  // its options; empty: the client is both ends
  std::vector<std::string>
      client;                // its options; `address_flag` and the server's address are added
  std::string address_flag;  // "--uri="
  bool stages = false;       // both ends note the times of pushes
};

// Of train-step (bench/peer/train_step.h), over the cycles of one repetition.
struct TrainTimes {
  double alone_s = 0;          // all inner steps with nothing under way
  double with_s = 0;           // the same number of steps, and an exchange
  double computing_s = 0;      // of that, in inner steps
  double waiting_s = 0;        // of that, for the exchange
  double exchange_s = 0;       // from begin to end of the exchanges
  double compute_cpu_s = 0;    // of the computing thread
  double alone_cpu_s = 0;      // of that, in the inner steps with nothing under way
  double computing_cpu_s = 0;  // of that, in the others
  Histogram exchanges;
};

// One repetition.
struct Measured {
  Histogram latencies;  // of operations, from begin to end; its count is the number of operations
  Histogram small_pushes;  // of incast: what went on beside them
  uint64_t bytes = 0;      // of payload, as fp32
  double seconds = 0;
  double client_cpu_s = 0;
  double server_cpu_s = 0;  // 0 where the client is both ends
  std::optional<TrainTimes> train;
  std::vector<FragmentTimes> fragments;  // the latest, where the pair notes stages

  double goodput_gbytes_per_s() const { return static_cast<double>(bytes) / seconds / 1e9; }
  double cpu_s_per_gb() const {
    return (client_cpu_s + server_cpu_s) / (static_cast<double>(bytes) / 1e9);
  }
};

class Host;

// Starts both, the server on `host`, lets them warm up, work for `duration` and verify their data, and ends them.
absl::StatusOr<Measured> MeasurePair(const PairCommand& command, Host& host,
                                     absl::Duration duration);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_PAIR_H_
