// Leader: gives the pure scheduler (core/optim/scheduler.h) its clock, its timer and its workers. Only the server with index 0
// has one.
//
// A worker asks for its assignment of cycle 0, 1, 2, ...; asking for cycle n+1 reports the arrival from cycle n. The answer comes
// when the scheduler releases the worker. A repeated question (after a lost connection) gets the same answer, or waits on.
//
// Threads: thread-safe. Replies are called without a lock held, on the executor or inside the call.

#ifndef TIDEWAY_CORE_SERVER_LEADER_H_
#define TIDEWAY_CORE_SERVER_LEADER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/optim/scheduler.h"
#include "tideway/assignment.h"
#include "tideway/executor.h"
#include "tideway/server.h"
#include "tideway/stats.h"

namespace tideway {

class Leader : public std::enable_shared_from_this<Leader> {
 public:
  using Reply = absl::AnyInvocable<void(absl::StatusOr<Assignment>)>;
  // Told of each arrival and release, without a lock held.
  using Observer = std::function<void(ServerEvent::Kind kind, uint64_t worker, uint64_t window)>;

  // INVALID_ARGUMENT for options that can't work. `executor` outlives the leader.
  static absl::StatusOr<std::shared_ptr<Leader>> Create(Executor* executor,
                                                        const SchedulingOptions& options,
                                                        Observer observer);

  // `worker` asks for the assignment of `cycle`. FAILED_PRECONDITION: cycles out of order.
  void Request(uint64_t worker, uint64_t incarnation, uint64_t cycle, const Arrival& arrival,
               Reply reply);

  // The worker's life has ended: its assignment goes to others. Its waiting question is dropped.
  void Leave(uint64_t worker);

  void Stop();

  // Fills what only the leader knows.
  void AddTo(ServerStats& stats) const;

  optim::SchedulerState Export() const;
  // Before the first request. FAILED_PRECONDITION: of other data shards.
  absl::Status Restore(const optim::SchedulerState& state);

 private:
  struct Member {
    uint64_t incarnation = 0;
    uint64_t cycle = 0;                // of the last question
    std::optional<Assignment> answer;  // to it, if it was answered
    Reply reply;                       // to whom it goes
    uint64_t cycles = 0;
    uint64_t steps = 0;
  };
  struct Outbox {
    std::vector<std::pair<Reply, Assignment>> replies;
    std::vector<std::pair<ServerEvent::Kind, std::pair<uint64_t, uint64_t>>> events;
  };

  Leader(Executor* executor, optim::Scheduler scheduler, Observer observer);

  absl::Status RequestLocked(uint64_t worker, uint64_t incarnation, uint64_t cycle,
                             const Arrival& arrival, Reply& reply, Outbox& out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Advance(Outbox& out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ArmTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnTimer();
  void Deliver(Outbox out);

  Executor* const executor_;
  const Observer observer_;

  mutable absl::Mutex mutex_;
  optim::Scheduler scheduler_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, Member> members_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  TimerId timer_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time timer_due_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_LEADER_H_
