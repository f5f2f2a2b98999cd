// StageLog: when the latest fragments of pushes passed their stages at one end, in nanoseconds of the host's monotonic clock, so that
// what two processes of one host say fits on one line of time.
//
// Threads: thread-safe. Memory: taken at once, for kFragmentsKept fragments; older ones make room.

#ifndef TIDEWAY_BENCH_PEER_STAGE_LOG_H_
#define TIDEWAY_BENCH_PEER_STAGE_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tideway/executor.h"
#include "tideway/push_times.h"

namespace bench {

class StageLog {
 public:
  static constexpr size_t kFragmentsKept = 4096;

  // `clock`: by which times are told.
  explicit StageLog(const tideway::Executor& clock);

  void Add(const tideway::ClientPushTimes& times);
  void Add(const tideway::ServerPushTimes& times);

  // All that was added since the last call, as a JSON array, oldest first: of the client [sequence, fragment, bytes, begun,
  // encode_begun, encoded, acknowledged], of the server [sequence, fragment, arrived, landed, apply_begun, decoded, stepped].
  std::string Take();

 private:
  using Row = std::array<int64_t, 7>;

  int64_t Monotonic(absl::Time time) const;
  void Keep(const Row& row);

  const absl::Duration monotonic_minus_clock_;  // counted from the epochs of both
  std::mutex mutex_;
  std::vector<Row> rows_;
  size_t added_ = 0;  // the next one's place is that modulo kFragmentsKept
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_PEER_STAGE_LOG_H_
