// VersionWaiters: those who wait for another version than the one that they have.
//
// Threads: the subscriber's strand. Completions have a strand of their own, so that a slow one does not hold up the rest.

#ifndef TIDEWAY_CORE_SYNC_VERSION_WAITERS_H_
#define TIDEWAY_CORE_SYNC_VERSION_WAITERS_H_

#include <cstdint>
#include <list>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/runtime/strand.h"
#include "tideway/runtime.h"
#include "tideway/subscriber.h"

namespace tideway::sync {

class VersionWaiters {
 public:
  explicit VersionWaiters(Executor* executor) : executor_(executor), completions_(executor) {}

  // Calls `done` without its having waited.
  void Complete(Subscriber::Done done, absl::StatusOr<WeightsPtr> result);
  // Returns the waiter's number; 0 where too many wait already, with `done` told so.
  uint64_t Add(WeightVersionId than, Subscriber::Done done);
  // The timer that will ask for Expire; cancelled where the wait ends before. REQUIRES: Add returned `id` just now.
  void SetTimer(uint64_t id, TimerId timer);
  // Ends the wait of a waiter that may have ended already.
  void Expire(uint64_t id, const absl::Status& why);
  // Ends the waits of all whom `weights` is another version for.
  void Install(const WeightsPtr& weights);
  // Ends every wait.
  void Fail(const absl::Status& why);

 private:
  struct Waiter {
    uint64_t id = 0;
    WeightVersionId than = {};
    TimerId timer = 0;
    Subscriber::Done done;
  };
  std::list<Waiter>::iterator Find(uint64_t id);

  Executor* const executor_;
  Strand completions_;
  uint64_t last_id_ = 0;
  std::list<Waiter> waiters_;
};

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_VERSION_WAITERS_H_
