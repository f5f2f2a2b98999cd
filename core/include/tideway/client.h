// Client: a worker's (or an observer's) end: pushes deltas to all servers, pulls parameters from them.
//
// A Client speaks for one incarnation of one worker. It holds one connection to each server, keeps it alive, makes it
// anew when it dies, and sends again what was not acknowledged, the same bytes with the same sequence number, so that
// the server counts every push exactly once.
//
// Threads: every method may be called from any thread, also from a completion. Nothing blocks. Completions fire exactly
// once, never inside the call that caused them, one at a time per client, on the runtime's executor (ClientOptions::completions_at_once:
// also on the transport's threads).
//
// Buffers: a delta handed to Push and a destination handed to Pull belong to the client until the completion fires.
//
// Order: pushes leave in the order of the calls. Several pushes and pulls may be under way at once; fragments of one push
// travel in parallel, bounded by bytes_in_flight_max per server.
//
// Statuses: INVALID_ARGUMENT (a NaN in a delta, naming the tensor; a wrong length; a layout, codec or name that the server
// refuses), DEADLINE_EXCEEDED, UNAVAILABLE (a server stayed away for reconnect_timeout), FAILED_PRECONDITION (not joined, or
// this incarnation was fenced by a newer one or lost its lease; in a forked child every call, whose completion then comes within it:
// runtime.h), CANCELLED (closed).
//
// After DEADLINE_EXCEEDED a push is not undone: each of its fragments may have been applied or not, and what is still unsent
// returns to the residual when error feedback is on.
//
// Close fails what is pending with CANCELLED, and the destructor returns after the last completion; it must not run inside one.
//
//   auto client = tideway::Client::Create(&runtime, {.servers = {"tcp://head:5000"}, .codec_up = "int8"}, layout);
//   (*client)->Join(deadline, [](absl::Status s) { ... });
//   (*client)->Pull(absl::MakeSpan(theta), {}, deadline, [](absl::StatusOr<tideway::PullReport> r) { ... });
//   (*client)->Push(delta, {.inner_steps = 50}, deadline, [](absl::StatusOr<tideway::PushReport> r) { ... });
//
// The blocking forms in tideway/blocking.h wait for the completion.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_CLIENT_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tideway/assignment.h"
#include "tideway/layout.h"
#include "tideway/push_times.h"
#include "tideway/runtime.h"
#include "tideway/shared_vector.h"
#include "tideway/stats.h"
#include "tideway/transport_report.h"

namespace tideway {

// ClientOptions::codec_up that stands for a choice.
inline constexpr char kAutoCodec[] = "auto";

struct ClientOptions {
  // One URI per server, in the order of the servers' indices. Their number must equal layout.servers(). auto://host:port
  // takes the quickest path that both ends have (transport_report.h).
  std::vector<std::string> servers = {};
  // Names the worker to people and to the servers. A restarted worker that uses the same name takes the place of its
  // former incarnation. Empty: a random name.
  std::string worker = {};
  // An observer pulls and reads statistics; it never pushes, holds no lease and is not counted as a worker.
  bool observer = false;

  // For deltas. "auto": each server's pushes try identity and codecs_up, and go on with the quickest, which is never one that was
  // slower than identity; connections()[i].details["codec_up"] has the figures.
  std::string codec_up = "identity";
  // What "auto" may choose from, beside identity: what loses no more than you want to lose.
  std::vector<std::string> codecs_up = {"bf16", "int8"};
  std::string codec_down = "identity";  // for parameters; must be dense (CodecInfo::dense)
  // Pulls bring what has changed since the last one, as differences made with this codec: any one, sparse ones (topk) too, since
  // what a difference leaves out is in the next. All clients of one codec get the same parameters, bit for bit; they are off the
  // master copy by what the last difference left out, and equal it with a codec that knows versions (sparse_lossless). Costs one more copy of the parameters here, and a published copy and its
  // last differences there. A server that doesn't offer it answers with codec_down; connections() says which and why.
  // Empty: pulls bring the whole parameters.
  std::string pull_differences = {};
  // Error feedback for lossy codec_up: what encoding left over is added to the next delta, times residual_decay.
  bool error_feedback = true;
  float residual_decay = 1.0f;
  // Momentum correction for sparse codec_up, with error feedback (Lin et al., Deep Gradient Compression, arXiv 1712.01887, section 3):
  // what enters the residual is the velocity u = momentum_correction * u + delta in place of the delta. In [0, 1); 0: off. One more
  // copy of the parameters. The velocity is no part of the worker's checkpoint: a new life's starts from zero.
  float momentum_correction = 0.0f;
  // What was sent of the velocity is forgotten by it (the paper's momentum factor masking), so that old momentum doesn't push on.
  bool factor_masking = true;
  // A push that the server rejects as stale returns to the residual (true) or is dropped (false).
  bool keep_rejected = true;

  size_t bytes_in_flight_max =
      size_t{16} << 20;  // encoded bytes un-acked per server; the server may grant less
  absl::Duration reconnect_timeout = absl::Seconds(60);
  // Read parameters straight from the servers' memory, without their CPUs, where the transport can (RDMA, shared memory) and
  // codec_down is identity, unless the server answers with differences. What can't be read is asked for; connections() says which and why.
  bool one_sided_pull = true;
  // Completions are called by the thread on which they arise, which is mostly the transport's: an acknowledgement then wakes nobody, and
  // what the completion pushes or pulls leaves at once. For completions that are short and wait for nothing: while one runs, nothing is
  // received or sent. false: by the executor's threads.
  bool completions_at_once = false;
  // Told of every fragment whose push is acknowledged, when its stages were passed. Called on the runtime's threads or within a call
  // of this client, one call at a time. Must be quick, and must not call the client.
  std::function<void(const ClientPushTimes&)> on_push_times = {};
};

struct PushOptions {
  uint32_t inner_steps = 0;  // that made this delta
  // The caller has looked through the delta already, as LocalSgd does while it makes one. Then Push does not look through all of it
  // before anything leaves. A value that is not finite all the same fails the push when its fragment's turn comes; fragments
  // before it may have been applied. Over a connection within the host's memory it is the server who finds it, and it refuses the
  // client then.
  bool known_finite = false;
};

struct PushReport {
  uint32_t fragments = 0;
  uint32_t applied = 0;  // of the fragments; a duplicate counts by its original verdict
  uint32_t buffered = 0;
  uint32_t rejected = 0;  // as stale
  uint64_t bytes = 0;     // encoded, without headers, each fragment once
  uint64_t bytes_fp32 = 0;
  uint64_t staleness_max = 0;
};

struct PullOptions {
  // The window of an Assignment: everybody who pulls with the same number gets the same parameters from a server, for as
  // long as it remembers that window. 0: the newest.
  uint64_t window = 0;
};

struct PullReport {
  uint64_t version_min = 0;  // over the fragments
  uint64_t version_max = 0;
  uint64_t bytes = 0;  // encoded
  uint64_t bytes_fp32 = 0;
  uint32_t one_sided = 0;    // of the fragments: read from the server's memory, without its CPU
  uint32_t differences = 0;  // of the fragments: came as differences from what was here
};

// What the residual of error feedback holds.
struct ResidualStats {
  double norm = 0;     // L2, over all fragments
  double density = 0;  // the share of its elements that are not zero
};

class Client {
 public:
  using StatusDone = absl::AnyInvocable<void(absl::Status)>;
  template <typename T>
  using ResultDone = absl::AnyInvocable<void(absl::StatusOr<T>)>;

  // INVALID_ARGUMENT for options that can't work. Starts nothing: no thread, no connection. `runtime` outlives the client.
  static absl::StatusOr<std::unique_ptr<Client>> Create(Runtime* runtime, ClientOptions options,
                                                        const Layout& layout);
  virtual ~Client() = default;

  // Connects to all servers and shakes hands. Once, before anything else.
  virtual void Join(absl::Time deadline, StatusDone done) = 0;

  // `delta`: layout.elements() floats, theta at the last pull minus theta now.
  virtual void Push(absl::Span<const float> delta, const PushOptions& options, absl::Time deadline,
                    ResultDone<PushReport> done) = 0;

  // `destination`: layout.elements() floats; filled with the parameters. Later pushes count as made from them.
  virtual void Pull(absl::Span<float> destination, const PullOptions& options, absl::Time deadline,
                    ResultDone<PullReport> done) = 0;

  // Memory for deltas, layout.elements() of them, which a server on this host reads where it lies (shared_vector.h): with codec_up
  // "identity" nothing of such a delta is copied. A client has up to eight. RESOURCE_EXHAUSTED, or UNAVAILABLE where this system has no
  // such memory; any other memory does too.
  virtual absl::StatusOr<SharedVector> NewDelta() = 0;

  struct PushPullReport {
    PushReport push;
    PullReport pull;
  };
  // Push, and once all fragments are acknowledged, a pull that contains them.
  virtual void PushPull(absl::Span<const float> delta, const PushOptions& push_options,
                        absl::Span<float> destination, const PullOptions& pull_options,
                        absl::Time deadline, ResultDone<PushPullReport> done) = 0;

  // Asks the leading server (index 0) for the next assignment. `arrival` is null for the first one. The answer comes when the
  // scheduler releases this worker.
  virtual void NextAssignment(const Arrival* arrival, absl::Time deadline,
                              ResultDone<Assignment> done) = 0;

  // What the next heartbeats tell the servers. Heartbeats keep the lease, and run by themselves after Join.
  virtual void SetStatus(const WorkerStatus& status) = 0;

  // Statistics of server `index`.
  virtual void Stats(uint32_t index, absl::Time deadline, ResultDone<ServerStats> done) = 0;

  // Asks every server to write a snapshot to its own snapshot directory.
  virtual void Snapshot(absl::Time deadline, StatusDone done) = 0;

  // Gives the lease back and says goodbye; then Close.
  virtual void Leave(absl::Time deadline, StatusDone done) = 0;

  // Fails everything pending and closes the connections. Non-blocking.
  virtual void Close() = 0;

  // The residual of error feedback: layout.elements() floats, or empty before the first push of a lossy codec. A part of
  // the worker's checkpoint. REQUIRES: no push under way.
  virtual std::vector<float> residual() const = 0;
  virtual absl::Status SetResidual(std::vector<float> residual) = 0;
  // Reads all of the residual. From any thread, at any time.
  virtual ResidualStats residual_stats() const = 0;

  // The layout, and which connection each server got: transport, addresses, details; details["pull"] is "one-sided", or
  // "two-sided: " and how or why.
  virtual const Layout& layout() const = 0;
  virtual std::vector<ConnectionInfo> connections() const = 0;
  // One per server, in the order of their indices: the path of its data, and why not another one.
  virtual std::vector<TransportReport> transport_reports() const = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_CLIENT_H_
