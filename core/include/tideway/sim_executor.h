// SimExecutor: one thread, virtual time, one seed.
//
// Whoever calls Run... is the thread: tasks run inside that call, in the order of their virtual time and, at
// the same time, in the order in which they were posted. Time jumps from task to task and stands still while
// a task runs. Two runs with the same seed and the same calls execute the same tasks in the same order.
//
// Threads: not thread-safe; one thread makes all calls.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_SIM_EXECUTOR_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_SIM_EXECUTOR_H_

#include <cstdint>
#include <map>
#include <random>
#include <unordered_map>
#include <utility>

#include "absl/time/time.h"
#include "tideway/executor.h"

namespace tideway {

class SimExecutor final : public Executor {
 public:
  explicit SimExecutor(uint64_t seed);
  ~SimExecutor() override;

  absl::Time Now() const override { return now_; }
  uint64_t Random() override { return random_(); }
  void Post(Task task) override;
  TimerId PostAt(absl::Time when, Task task) override;
  bool Cancel(TimerId timer) override;
  void Stop() override;
  bool in_virtual_time() const override { return true; }

  // Runs the next task, if there is one. False if nothing waits.
  bool RunOne();

  // Runs until nothing waits or `tasks_max` tasks ran; returns how many ran.
  uint64_t RunUntilIdle(uint64_t tasks_max = UINT64_MAX);

  // Runs every task that is due until `end`, and then sets the time to `end`.
  void RunUntil(absl::Time end);
  void RunFor(absl::Duration span) { RunUntil(now_ + span); }

  // Runs until `done()` holds (checked after each task). False if nothing waits any more or `end` passed.
  template <typename Predicate>
  bool RunUntilTrue(Predicate done, absl::Time end = absl::InfiniteFuture()) {
    while (!done()) {
      if (queue_.empty() || queue_.begin()->first.first > end || !RunOne()) return false;
    }
    return true;
  }

 private:
  using Key = std::pair<absl::Time, TimerId>;  // due time, then order of posting

  absl::Time now_;
  bool stopped_ = false;
  TimerId next_id_ = 1;
  std::map<Key, Task> queue_;
  std::unordered_map<TimerId, absl::Time> due_;
  std::mt19937_64 random_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_SIM_EXECUTOR_H_
