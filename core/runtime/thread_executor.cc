#include "core/runtime/thread_executor.h"

#include <algorithm>
#include <memory>

#include "absl/time/clock.h"
#include "core/runtime/forget.h"
#include "core/runtime/thread_name.h"
#include "tideway/process_mark.h"

namespace tideway {
namespace {

// How long one idle worker polls before it blocks. About what a wake-up costs: longer would burn
// more than it saves.
constexpr std::chrono::microseconds kPollTime(20);

int ThreadCount(int wanted) {
  if (wanted > 0) return wanted;
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 8);
}

uint64_t Entropy() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

// The threads, as long as they are this process's. A forked child has none of them, and their locks may be held for ever.
class ThreadExecutor final : public Executor {
 public:
  explicit ThreadExecutor(const ThreadExecutorOptions& options)
      : threads_(std::make_unique<ExecutorThreads>(options)) {}
  ~ThreadExecutor() override {
    if (process_.IsHere()) {
      threads_->Stop();  // before the pointer, by which tasks come here, goes
    } else {
      Forget(threads_);
    }
  }

  absl::Time Now() const override { return threads_->Now(); }
  uint64_t Random() override { return process_.IsHere() ? threads_->Random() : Entropy(); }
  void Post(Task task) override {
    if (process_.IsHere()) threads_->Post(std::move(task));
  }
  TimerId PostAt(absl::Time when, Task task) override {
    return process_.IsHere() ? threads_->PostAt(when, std::move(task)) : 0;
  }
  bool Cancel(TimerId timer) override { return process_.IsHere() && threads_->Cancel(timer); }
  void Stop() override {
    if (process_.IsHere()) threads_->Stop();
  }

 private:
  const ProcessMark process_;
  std::unique_ptr<ExecutorThreads> threads_;
};

}  // namespace

ExecutorThreads::ExecutorThreads(const ThreadExecutorOptions& options)
    : steady_start_(std::chrono::steady_clock::now()),
      wall_start_(absl::Now()),
      random_(Entropy()) {
  absl::MutexLock lock(&join_mutex_);
  const int workers = ThreadCount(options.threads);
  for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { RunWorker(); });
  threads_.emplace_back([this] { RunTimers(); });
}

ExecutorThreads::~ExecutorThreads() { Stop(); }

// The wall clock at the start plus what the steady clock counted since: it never jumps back.
absl::Time ExecutorThreads::Now() const {
  return wall_start_ + absl::FromChrono(std::chrono::steady_clock::now() - steady_start_);
}

uint64_t ExecutorThreads::Random() {
  absl::MutexLock lock(&random_mutex_);
  return random_();
}

void ExecutorThreads::Post(Task&& task) {
  absl::MutexLock lock(&mutex_);
  // After Stop the task is destroyed by the caller, when the lock is free again.
  if (!stopped_) Enqueue(std::move(task));
}

void ExecutorThreads::Enqueue(Task&& task) {
  queue_.push_back(std::move(task));
  noticed_.store(true, std::memory_order_release);
  // The polling worker takes the first task by itself.
  if (sleeping_ > 0 && queue_.size() > (polling_ ? 1u : 0u)) work_.Signal();
}

TimerId ExecutorThreads::PostAt(absl::Time when, Task&& task) {
  absl::MutexLock lock(&timer_mutex_);
  if (timers_stopped_) return 0;
  const TimerId id = next_timer_++;
  const bool first = timers_.empty() || when < timers_.begin()->first.first;
  timers_.emplace(TimerKey(when, id), std::move(task));
  due_.emplace(id, when);
  if (first) timer_changed_.Signal();
  return id;
}

bool ExecutorThreads::Cancel(TimerId timer) {
  Task task;  // destroyed after the lock is free: its destructor may call back
  absl::MutexLock lock(&timer_mutex_);
  auto due = due_.find(timer);
  if (due == due_.end()) return false;
  auto entry = timers_.find(TimerKey(due->second, timer));
  task = std::move(entry->second);
  timers_.erase(entry);
  due_.erase(due);
  return true;
}

void ExecutorThreads::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    noticed_.store(true, std::memory_order_release);
    work_.SignalAll();
  }
  {
    absl::MutexLock lock(&timer_mutex_);
    timers_stopped_ = true;
    timer_changed_.SignalAll();
  }
  {
    absl::MutexLock lock(&join_mutex_);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  // Unrun tasks are destroyed outside of the locks: what they own may post, which is then dropped.
  RingQueue<Task> unrun;
  std::map<TimerKey, Task> unrun_timers;
  {
    absl::MutexLock lock(&mutex_);
    queue_.swap(unrun);
  }
  absl::MutexLock lock(&timer_mutex_);
  timers_.swap(unrun_timers);
  due_.clear();
}

void ExecutorThreads::RunWorker() {
  NameThisThread("tideway-worker");
  Task task;
  while (NextTask(task)) {
    std::move(task)();
    task = nullptr;
  }
}

bool ExecutorThreads::NextTask(Task& task) {
  absl::MutexLock lock(&mutex_);
  bool polled = false;
  while (!stopped_ && queue_.empty()) {
    if (!polled && !polling_) {
      PollForTask();
      polled = true;
      continue;
    }
    ++sleeping_;
    work_.Wait(&mutex_);
    --sleeping_;
  }
  if (stopped_) return false;
  task = queue_.pop_front();
  return true;
}

void ExecutorThreads::PollForTask() {
  polling_ = true;
  noticed_.store(false, std::memory_order_relaxed);
  mutex_.Unlock();
  const auto end = std::chrono::steady_clock::now() + kPollTime;
  while (!noticed_.load(std::memory_order_acquire) && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  mutex_.Lock();
  polling_ = false;
}

void ExecutorThreads::RunTimers() {
  NameThisThread("tideway-timer");
  absl::MutexLock lock(&timer_mutex_);
  while (!timers_stopped_) {
    if (timers_.empty()) {
      timer_changed_.Wait(&timer_mutex_);
      continue;
    }
    auto next = timers_.begin();
    const absl::Duration wait = next->first.first - Now();
    if (wait > absl::ZeroDuration()) {
      timer_changed_.WaitWithTimeout(&timer_mutex_, wait);
      continue;
    }
    Task task = std::move(next->second);
    due_.erase(next->first.second);
    timers_.erase(next);
    timer_mutex_.Unlock();
    Post(std::move(task));
    timer_mutex_.Lock();
  }
}

std::unique_ptr<Executor> NewThreadExecutor(const ThreadExecutorOptions& options) {
  return std::make_unique<ThreadExecutor>(options);
}

}  // namespace tideway
