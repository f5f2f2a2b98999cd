// Server: holds the master copy of its fragments, steps them with the outer optimizer as deltas arrive, and serves published
// snapshots. The server with index 0 also leads: it hands out assignments (scheduler, data shards, schedules).
//
// Threads: every method may be called from any thread except the runtime's own. The server starts no thread; it runs on the
// runtime's executor and transports: each fragment has a strand, so that different fragments step in parallel and one fragment
// steps in order. Pulls are answered from immutable snapshots and never wait for the pushes that are queued.
//
// What a peer sends is never trusted: a bad frame closes its session with a reason in the log; all others go on.
//
// Stop refuses new sessions, closes the others, and returns after the last task. The destructor stops. Stop writes no snapshot.
//
//   auto layout = tideway::Layout::Create({{"weights", {1000}}});
//   auto server = tideway::Server::Start(&runtime, {.listen = {"tcp://127.0.0.1:0"}}, *layout, initial);
//   std::cout << (*server)->addresses()[0];   // tcp://127.0.0.1:41873

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_SERVER_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tideway/layout.h"
#include "tideway/limits.h"
#include "tideway/push_times.h"
#include "tideway/runtime.h"
#include "tideway/stats.h"

namespace tideway {

// How the leading server hands out work. Rules and defaults: Liu et al., arXiv 2401.09135.
struct SchedulingOptions {
  enum class Method {
    kAsync,  // a worker is released when its grace window closes
    kSync,   // synchronous DiLoCo: a window with no end but the quorum and a time-out
  };
  Method method = Method::kAsync;
  uint32_t inner_steps = 50;  // H, of the fastest worker
  bool dylu = true;           // dynamic local updates: slower workers get fewer steps (async)
  bool grace = true;
  double grace_fraction_min = 0.10;  // of a cycle
  double grace_spread_factor = 2.0;  // times the observed spread of arrivals
  double grace_fraction_max = 0.35;  // of a cycle: the hard cap
  uint32_t sync_quorum = 0;          // kSync: workers to wait for; 0: all active
  absl::Duration sync_timeout = absl::Minutes(10);
  // Workers to wait for before the first assignment is handed out; after that a newcomer starts at once.
  uint32_t workers_to_begin = 1;
  uint64_t inner_steps_total = 0;  // over all workers; 0: endless
  // Sizes of the data shards, in any unit. Empty: one shard.
  std::vector<uint64_t> shard_sizes = {};
  uint64_t seed = 0;  // of shard sampling
};

// One thing that happened, for tests, traces and views. `time` is the executor's.
struct ServerEvent {
  enum class Kind { kJoin, kLeave, kPush, kPublish, kArrive, kRelease, kSnapshot };
  Kind kind = Kind::kJoin;
  absl::Time time = absl::InfinitePast();
  uint64_t worker = 0;
  uint64_t sequence = 0;
  uint32_t fragment = 0;
  uint64_t version = 0;
  uint64_t staleness = 0;
  uint64_t window = 0;
  const char* verdict = "";
};

struct ServerOptions {
  // auto://host:port listens with every provider that can work here, and tells clients of them on that port over TCP.
  std::vector<std::string> listen = {"tcp://127.0.0.1:0"};
  uint32_t server_index = 0;
  std::string outer_optimizer = "delayed-nesterov:lr=0.7,momentum=0.9,c=0,n=auto";
  std::string staleness = "accept";   // accept | weight:power=0.5 | bound:max=10
  SchedulingOptions scheduling = {};  // used by index 0
  // A worker that is silent for so long loses its lease: its shard goes to others, its late pushes are fenced.
  absl::Duration lease = absl::Seconds(15);
  size_t credit_bytes = kCreditBytesDefault;  // granted to each worker
  size_t sessions_max = 256;
  // Memory that clients may read without this server's CPU, where the transport can (RDMA, shared memory): six times the fp32
  // parameters of this server, registered when the first such client comes. 0: no client may. A client that may not, asks.
  size_t one_sided_bytes_max = kOneSidedBytesMaxDefault;
  // Codecs that this server makes differences for pulls with, at a time (ClientOptions::pull_differences). Each costs two to four
  // times the fp32 parameters of this server, eight times at most. A client with one too many pulls as without. 0: nobody may.
  size_t difference_codecs_max = kDifferenceCodecsMax;
  // Where snapshots go: one folder per snapshot, and LATEST. Empty: snapshots are refused.
  std::string snapshot_dir = {};
  absl::Duration snapshot_interval = absl::ZeroDuration();  // zero: only when asked for
  // Called on the runtime's threads, one call at a time. Must be quick, and must not call the server.
  std::function<void(const ServerEvent&)> on_event = {};
  // Told of every fragment push that was applied or buffered, when its stages were passed. Called as on_event is.
  std::function<void(const ServerPushTimes&)> on_push_times = {};
};

class Server {
 public:
  // `initial`: layout.elements() floats, of which the server copies its own fragments. INVALID_ARGUMENT for options that
  // can't work; the transport's statuses for an address that can't be listened on. `runtime` outlives the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(Runtime* runtime, ServerOptions options,
                                                       const Layout& layout,
                                                       absl::Span<const float> initial);

  // Goes on from the newest complete snapshot in options.snapshot_dir: parameters, optimizer state, versions, dedup windows,
  // schedule. NOT_FOUND: there is none. FAILED_PRECONDITION: it is of another layout, optimizer or server index. DATA_LOSS: it
  // is damaged (the file is named).
  static absl::StatusOr<std::unique_ptr<Server>> Recover(Runtime* runtime, ServerOptions options,
                                                         const Layout& layout);

  virtual ~Server() = default;

  // The bound addresses, in the order of options.listen.
  virtual std::vector<std::string> addresses() const = 0;

  virtual ServerStats stats() const = 0;

  // Copies this server's fragments of the master copy into `destination` (layout.elements() floats; the rest is untouched).
  virtual absl::Status ReadParameters(absl::Span<float> destination) const = 0;

  // Writes a snapshot to options.snapshot_dir: written aside, fsynced, renamed. Blocks. Returns its folder.
  virtual absl::StatusOr<std::string> Snapshot() = 0;

  virtual void Stop() = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_SERVER_H_
