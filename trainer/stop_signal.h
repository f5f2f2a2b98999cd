// StopSignal: SIGINT and SIGTERM as a flag to look at, a wait that ends, and a callback.
//
// At most one at a time. A second SIGINT ends the process at once with status 130.
#ifndef TIDEWAY_TRAINER_STOP_SIGNAL_H_
#define TIDEWAY_TRAINER_STOP_SIGNAL_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace tideway::trainer {

class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const;
  // Until the first signal, or until the time is over. True where a stop was asked for.
  bool WaitFor(absl::Duration timeout) const;
  // Called at the first signal, on a thread of this object; at once if it has come already. Null takes it away: once
  // this returns, the former callback does not run any more.
  void OnStop(std::function<void()> callback);

 private:
  void Run();

  mutable absl::Mutex mutex_;
  bool requested_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> callback_ ABSL_GUARDED_BY(mutex_);
  int wake_read_ = -1,
      wake_write_ = -1;  // the handler writes the signal's number, or 0 to end the thread
  std::thread thread_;
};

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_STOP_SIGNAL_H_
