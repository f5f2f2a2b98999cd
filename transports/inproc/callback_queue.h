// CallbackQueue: the in-process transport's stand-in for a progress thread. Tasks run one at a time, in order, on the
// threads of the executor; so it works in real and in virtual time.
//
// Unlike a Strand's, its tasks are never lost: what the executor did not get to run, Stop runs on its caller's thread.

#ifndef TIDEWAY_TRANSPORTS_INPROC_CALLBACK_QUEUE_H_
#define TIDEWAY_TRANSPORTS_INPROC_CALLBACK_QUEUE_H_

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "core/runtime/ring_queue.h"
#include "core/runtime/strand.h"
#include "tideway/executor.h"

namespace tideway::inproc {

class CallbackQueue : public std::enable_shared_from_this<CallbackQueue> {
 public:
  explicit CallbackQueue(Executor* executor) : executor_(executor), after_stop_(executor) {}

  Executor& executor() { return *executor_; }

  // Runs `task` after those that wait; after Stop, on a strand of the executor.
  void Post(Task task);

  // Runs `work` in this call, while no task runs. From inside a task, that task goes on afterwards.
  void RunExclusively(absl::FunctionRef<void()> work);

  // Runs `last` and then all that waits, in this call, and ends the queue. Not from a task.
  void Stop(absl::FunctionRef<void()> last);

 private:
  class Turn;

  void RunTurn();
  // Takes the right to run tasks, or gives it back.
  void Acquire() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool RunNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Executor* const executor_;
  Strand after_stop_;
  absl::Mutex mutex_;
  bool scheduled_ ABSL_GUARDED_BY(mutex_) = false;  // a Turn waits on the executor
  bool free_ ABSL_GUARDED_BY(mutex_) = true;        // nobody runs tasks
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread::id runner_ ABSL_GUARDED_BY(mutex_);
  RingQueue<Task> tasks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway::inproc

#endif  // TIDEWAY_TRANSPORTS_INPROC_CALLBACK_QUEUE_H_
