// What a server counts, for progress views, reports and metrics. Plain values: copies of the server's counters at one
// moment. Obtained in process by Server::stats and over the wire by Client::Stats.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_STATS_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_STATS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace tideway {

// What a worker says of its own training, in its heartbeats. Only the worker knows these.
struct WorkerStatus {
  uint64_t inner_step = 0;  // inner steps that this incarnation has taken
  double loss = 0;          // training loss, smoothed as the worker likes
  double tokens_per_second = 0;
  uint64_t tokens = 0;         // since it joined
  double busy_seconds = 0;     // computing
  double waiting_seconds = 0;  // blocked in communication or for an assignment
  // Of error feedback, after the last exchange (ResidualStats): how much still waits here to be sent.
  double residual_norm = 0;
  double residual_density = 0;

  bool operator==(const WorkerStatus&) const = default;
};

struct WorkerStats {
  uint64_t id = 0;
  std::string name = {};
  bool active = false;  // holds a lease
  uint64_t incarnation = 0;
  WorkerStatus status = {};
  uint64_t pushes = 0;    // fragments pushed, of any verdict but duplicate
  uint64_t rejected = 0;  // of them, rejected as stale
  uint64_t duplicates = 0;
  double staleness_mean = 0;  // versions, over its pushes
  uint64_t staleness_max = 0;
  uint64_t bytes_up = 0;       // encoded payload bytes received from it
  uint64_t bytes_up_fp32 = 0;  // what they would have been as fp32
  uint64_t bytes_down = 0;     // encoded payload bytes sent to it
  uint64_t bytes_down_fp32 = 0;
  uint64_t cycles = 0;              // assignments that it has finished (leader only)
  uint64_t steps_finished = 0;      // inner steps of those cycles (leader only)
  uint32_t shard = 0;               // data shard of its current assignment (leader only)
  uint32_t inner_steps = 0;         // length of its current assignment (leader only)
  std::string transport = {};       // provider that its data comes over: "tcp", "ucx/sm"
  uint64_t transport_switches = 0;  // how often that has changed (TransportReport)
};

struct ServerStats {
  double seconds = 0;        // since the server started
  uint64_t version_min = 0;  // over its fragments
  uint64_t version_max = 0;
  uint64_t outer_steps = 0;  // fragment pushes that were applied
  uint64_t buffered = 0;
  uint64_t rejected = 0;
  uint64_t duplicates = 0;
  uint64_t sessions = 0;          // open connections
  uint64_t sessions_refused = 0;  // handshakes refused and sessions closed for an error
  uint64_t window = 0;            // grace windows closed (leader only)
  double grace_seconds = 0;       // length of the last grace window (leader only)
  uint64_t steps_finished = 0;    // inner steps over all workers and incarnations (leader only)
  uint64_t steps_target = 0;      // 0: endless (leader only)
  bool finished = false;          // the target is reached (leader only)
  // staleness_histogram[s] counts pushes with staleness s; the last bin counts all beyond.
  std::vector<uint64_t> staleness_histogram = {};
  std::vector<WorkerStats> workers = {};  // every worker seen, by id
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_STATS_H_
