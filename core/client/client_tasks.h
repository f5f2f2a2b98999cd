// ClientTasks: where a client's work runs, and what keeps the client alive while any of it waits.
//
// State: one strand on which every change of the client's state happens; nothing there needs a lock.
// Completions: a second strand for the user's callbacks: one at a time, and a slow one does not hold up the state. On the executor,
// or (completions_at_once) on the thread on which they arise, once the state's strand is free again; never within a user's call.
//
// Every task holds a reference to the owner, which is therefore destroyed after its last task. Tasks given in once the
// owner is being destroyed are dropped.
//
// Threads: all methods but SetOwner may be called from any thread.

#ifndef TIDEWAY_CORE_CLIENT_CLIENT_TASKS_H_
#define TIDEWAY_CORE_CLIENT_CLIENT_TASKS_H_

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "core/runtime/strand.h"
#include "tideway/executor.h"

namespace tideway {

class ClientTasks {
 public:
  ClientTasks(Executor* executor, bool completions_at_once)
      : executor_(executor),
        completions_at_once_(completions_at_once),
        state_(executor),
        completions_(executor) {}

  // Once, before anything else.
  void SetOwner(std::weak_ptr<void> owner) { owner_ = std::move(owner); }
  std::shared_ptr<void> owner() const { return owner_.lock(); }

  void OnState(Task task) { On(state_, std::move(task)); }
  // At once where the state strand is idle. REQUIRES: the task is short, and the caller holds no lock.
  void OnStateNow(Task task) {
    auto kept = owner_.lock();
    if (kept == nullptr) return;
    if (!completions_at_once_ || here != Here::kElsewhere) {
      state_.Dispatch(Kept{std::move(kept), std::move(task)});
      return;
    }
    {
      const Stay stay(Here::kInState);
      state_.Dispatch(Kept{kept, std::move(task)});
    }
    completions_.RunLeft();
  }
  // At once where the state strand is idle, and nothing else of it: for a user's call. The user may hold a lock that a log
  // sink or another callback wants.
  void OnStateForUser(Task task) {
    const Stay stay(Here::kInUsersCall);
    if (auto kept = owner_.lock()) state_.DispatchAlone(Kept{std::move(kept), std::move(task)});
  }
  // REQUIRES: the state strand.
  void Complete(Task task) {
    if (here != Here::kInState) {
      On(completions_, std::move(task));
    } else if (auto kept = owner_.lock()) {
      completions_.Leave(Kept{std::move(kept), std::move(task)});
    }
  }

  void On(Strand& strand, Task task) {
    if (auto kept = owner_.lock()) strand.Post(Kept{std::move(kept), std::move(task)});
  }

  void OnNow(Strand& strand, Task task) {
    if (auto kept = owner_.lock()) strand.Dispatch(Kept{std::move(kept), std::move(task)});
  }

  // `callback` for somebody who calls it when he likes, also when nothing else keeps the owner any more: it holds the owner.
  template <typename Callback>
  auto Holding(Callback callback) const {
    return Held<Callback>{owner(), std::move(callback)};
  }

  // In parallel with everything else.
  void Anywhere(Task task) {
    if (auto kept = owner_.lock()) executor_->Post(Kept{std::move(kept), std::move(task)});
  }

  // Runs `task` on the state strand at `when`. 0, and never, for a time that is infinitely far.
  TimerId At(absl::Time when, Task task) {
    auto kept = owner_.lock();
    if (kept == nullptr || when == absl::InfiniteFuture()) return 0;
    // A timer that fires hops to the strand; `this` lives as long as `kept`.
    return executor_->PostAt(when, Kept{std::move(kept), [this, task = std::move(task)]() mutable {
                                          OnState(std::move(task));
                                        }});
  }

  // A task that has already hopped to the strand still runs: callers check their own state.
  void Cancel(TimerId& timer) {
    if (timer != 0) executor_->Cancel(timer);
    timer = 0;
  }

  absl::Time Now() const { return executor_->Now(); }
  const Executor* clock() const { return executor_; }
  uint64_t Random() { return executor_->Random(); }
  Strand NewStrand() { return Strand(executor_); }

 private:
  template <typename Callback>
  struct Held {
    std::shared_ptr<void> owner;  // first member: destroyed last
    Callback callback;
    template <typename... Arguments>
    void operator()(Arguments&&... arguments) {
      callback(std::forward<Arguments>(arguments)...);
    }
  };
  using Kept = Held<Task>;

  // What this thread is in the middle of. A thread that is in one client's state enters no other client's but by a user's call.
  enum class Here { kElsewhere, kInState, kInUsersCall };
  class Stay {
   public:
    explicit Stay(Here now) : before_(std::exchange(here, now)) {}
    ~Stay() { here = before_; }
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;

   private:
    const Here before_;
  };

  static thread_local Here here;

  Executor* const executor_;
  const bool completions_at_once_;
  std::weak_ptr<void> owner_;
  Strand state_;
  Strand completions_;
};

inline thread_local ClientTasks::Here ClientTasks::here = Here::kElsewhere;

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_CLIENT_TASKS_H_
