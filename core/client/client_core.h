// ClientCore: the client's state: its connections, the pushes and pulls under way, what it knows of versions.
//
// Threads: every method but `connections`, `transport_reports`, `residual` and `SetResidual` runs on the state strand, posted there by the Client's
// methods. Callbacks handed in are the user's: they are called as completions.
//
// Lifetime: shared by the Client's handle and every task, timer and connection; destroyed after the last of them.

#ifndef TIDEWAY_CORE_CLIENT_CLIENT_CORE_H_
#define TIDEWAY_CORE_CLIENT_CLIENT_CORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "core/client/client_shared.h"
#include "core/client/pull_job.h"
#include "core/client/push_job.h"
#include "core/client/server_link.h"
#include "core/runtime/strand.h"
#include "core/wire/control.h"
#include "tideway/client.h"

namespace tideway {

class ClientCore {
 public:
  using StatusDone = Client::StatusDone;
  template <typename T>
  using ResultDone = Client::ResultDone<T>;

  explicit ClientCore(ClientConfig config);

  SharedDeltas& shared_deltas() { return shared_.shared_deltas; }
  ClientTasks& tasks() { return shared_.tasks; }
  const Layout& layout() const { return shared_.config.layout; }

  void Join(absl::Time deadline, StatusDone done);
  void Push(absl::Span<const float> delta, const PushOptions& options, absl::Time deadline,
            ResultDone<PushReport> done);
  void Pull(absl::Span<float> destination, const PullOptions& options, absl::Time deadline,
            ResultDone<PullReport> done);
  void PushPull(absl::Span<const float> delta, const PushOptions& push_options,
                absl::Span<float> destination, const PullOptions& pull_options, absl::Time deadline,
                ResultDone<Client::PushPullReport> done);
  void NextAssignment(const Arrival& arrival, absl::Time deadline, ResultDone<Assignment> done);
  void SetStatus(const WorkerStatus& status) { shared_.status = status; }
  void Stats(uint32_t index, absl::Time deadline, ResultDone<ServerStats> done);
  void Snapshot(absl::Time deadline, StatusDone done);
  void Leave(absl::Time deadline, StatusDone done);
  void Close();

  std::vector<float> residual() const;
  ResidualStats residual_stats() const;
  absl::Status SetResidual(const std::vector<float>& residual);
  std::vector<ConnectionInfo> connections() const;
  std::vector<TransportReport> transport_reports() const;

 private:
  enum class Phase { kNew, kJoining, kJoined, kClosed };
  using PushDone = absl::AnyInvocable<void(absl::StatusOr<PushReport>)>;
  using PullDone = absl::AnyInvocable<void(absl::StatusOr<PullReport>)>;
  using ReplyDone = RequestLane::Done;

  template <typename T>
  void Complete(ResultDone<T> done, absl::StatusOr<T> result) {
    shared_.tasks.Complete([done = std::move(done), result = std::move(result)]() mutable {
      done(std::move(result));
    });
  }
  void Complete(StatusDone done, absl::Status status);

  absl::Status CheckJoined() const;
  absl::Status CheckMayPush(size_t elements) const;
  absl::Status CheckElements(size_t elements) const;

  void OnFirstReady();
  void OnFinal(const absl::Status& status);
  void OnJoinDeadline();
  void FinishJoin(const absl::Status& status);
  void ShutdownAll(const absl::Status& status);

  // These call back on the state strand.
  void StartPush(absl::Span<const float> delta, const PushOptions& options, absl::Time deadline,
                 PushDone done);
  // On the check strand: looks through the delta, unless that was done.
  absl::Status CheckDelta(PushJob& job) const;
  void SendPush(const std::shared_ptr<PushJob>& job, const absl::Status& finite);
  void StartPull(absl::Span<float> destination, const PullOptions& options, absl::Time deadline,
                 PullDone done);
  void FinishPull(const PullJob& job, PullReport& report);
  // Asks all servers; the first error, or OK once all have answered.
  void AskAll(absl::AnyInvocable<void(ServerLink&, ReplyDone)> ask, StatusDone done);

  ClientShared shared_;
  Strand check_strand_;  // looks through deltas for NaNs, in the order of the calls
  std::vector<std::unique_ptr<ServerLink>> links_;

  // State strand only.
  Phase phase_ = Phase::kNew;
  size_t checks_ = 0;  // on check_strand_, or coming from there
  absl::Status closed_because_;
  StatusDone join_done_;
  TimerId join_timer_ = 0;
  size_t links_ready_ = 0;
  std::shared_ptr<const std::vector<uint64_t>>
      base_versions_;   // by fragment, of the last completed pull
  uint64_t cycle_ = 0;  // of the next assignment
  bool assignment_asked_ = false;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_CLIENT_CORE_H_
