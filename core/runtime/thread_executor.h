// ExecutorThreads: what is behind NewThreadExecutor, the Executor of production. Its .cc is the one
// file of the core that reads the clock, draws entropy and starts threads.
//
// Worker threads share one queue. A worker that runs out of tasks polls for a few microseconds
// before it blocks (one worker at a time does, so an idle process costs nothing and a busy one
// little), because waking a blocked thread costs more than most tasks. One more thread sleeps until
// the next timer is due and hands its task to the queue.

#ifndef TIDEWAY_CORE_RUNTIME_THREAD_EXECUTOR_H_
#define TIDEWAY_CORE_RUNTIME_THREAD_EXECUTOR_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/runtime/ring_queue.h"
#include "tideway/executor.h"

namespace tideway {

// The methods are those of Executor.
class ExecutorThreads {
 public:
  explicit ExecutorThreads(const ThreadExecutorOptions& options);
  ~ExecutorThreads();

  absl::Time Now() const;
  uint64_t Random();
  void Post(Task&& task);
  TimerId PostAt(absl::Time when, Task&& task);
  bool Cancel(TimerId timer);
  void Stop();

 private:
  using TimerKey = std::pair<absl::Time, TimerId>;

  void RunWorker();
  void RunTimers();
  // Blocks until there is a task (then moves it to `task`) or the executor stops (then returns
  // false).
  bool NextTask(Task& task);
  void PollForTask() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enqueue(Task&& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::chrono::steady_clock::time_point steady_start_;
  const absl::Time wall_start_;

  absl::Mutex mutex_;
  absl::CondVar work_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool polling_ ABSL_GUARDED_BY(mutex_) = false;
  size_t sleeping_ ABSL_GUARDED_BY(mutex_) = 0;
  RingQueue<Task> queue_ ABSL_GUARDED_BY(mutex_);
  // Tells the polling worker, without the lock, that it has something to look at.
  std::atomic<bool> noticed_{false};

  absl::Mutex timer_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  absl::CondVar timer_changed_;
  bool timers_stopped_ ABSL_GUARDED_BY(timer_mutex_) = false;
  TimerId next_timer_ ABSL_GUARDED_BY(timer_mutex_) = 1;
  std::map<TimerKey, Task> timers_ ABSL_GUARDED_BY(timer_mutex_);
  std::unordered_map<TimerId, absl::Time> due_ ABSL_GUARDED_BY(timer_mutex_);

  absl::Mutex random_mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(random_mutex_);

  absl::Mutex join_mutex_;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(join_mutex_);
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_THREAD_EXECUTOR_H_
