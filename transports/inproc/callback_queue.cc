#include "transports/inproc/callback_queue.h"

#include <utility>

namespace tideway::inproc {
namespace {

constexpr int kTasksPerTurn = 16;

}  // namespace

// The task on the executor. Destroyed unrun, it leaves the tasks to Stop.
class CallbackQueue::Turn {
 public:
  explicit Turn(std::shared_ptr<CallbackQueue> queue) : queue_(std::move(queue)) {}
  void operator()() { queue_->RunTurn(); }

 private:
  std::shared_ptr<CallbackQueue> queue_;
};

void CallbackQueue::Post(Task task) {
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) {
      after_stop_.Post(std::move(task));
      return;
    }
    tasks_.push_back(std::move(task));
    if (std::exchange(scheduled_, true)) return;
  }
  executor_->Post(Turn(shared_from_this()));
}

void CallbackQueue::RunTurn() {
  bool more = true;
  {
    absl::MutexLock lock(&mutex_);
    Acquire();
    for (int i = 0; more && i < kTasksPerTurn; ++i) more = RunNext();
    more = !tasks_.empty();
    scheduled_ = more;
    Release();
  }
  if (more) executor_->Post(Turn(shared_from_this()));
}

void CallbackQueue::RunExclusively(absl::FunctionRef<void()> work) {
  absl::MutexLock lock(&mutex_);
  const bool inside = !free_ && runner_ == std::this_thread::get_id();
  if (!inside) Acquire();
  mutex_.Unlock();
  work();
  mutex_.Lock();
  if (!inside) Release();
}

void CallbackQueue::Stop(absl::FunctionRef<void()> last) {
  absl::MutexLock lock(&mutex_);
  Acquire();
  mutex_.Unlock();
  last();
  mutex_.Lock();
  while (RunNext()) {
  }
  stopped_ = true;
  Release();
}

void CallbackQueue::Acquire() {
  mutex_.Await(absl::Condition(&free_));
  free_ = false;
  runner_ = std::this_thread::get_id();
}

void CallbackQueue::Release() {
  free_ = true;
  runner_ = std::thread::id();
}

bool CallbackQueue::RunNext() {
  if (tasks_.empty()) return false;
  Task task = tasks_.pop_front();
  mutex_.Unlock();
  std::move(task)();
  task = nullptr;
  mutex_.Lock();
  return true;
}

}  // namespace tideway::inproc
