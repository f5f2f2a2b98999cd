// Loop: the one progress thread of a TCP transport and the io_context that it runs.
//
// The thread polls for a short while (spin) after it last had something to do, and then blocks, so
// that an exchange of messages pays for no wake-ups and an idle process uses no CPU.
//
// Post may be called from any thread. Once the loop has ended, what is posted runs on the executor
// instead, so that a completion is never lost. Register and Unregister belong to the loop's thread.

#ifndef TIDEWAY_TRANSPORTS_TCP_LOOP_H_
#define TIDEWAY_TRANSPORTS_TCP_LOOP_H_

#include <atomic>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "core/runtime/strand.h"
#include "tideway/executor.h"
#include "tideway/log.h"
#include "transports/tcp/turns.h"

namespace tideway::tcp {

// What the loop closes when it stops: connections, acceptors, attempts to connect.
class Closable {
 public:
  virtual ~Closable() = default;
  // Called by the loop's thread, outside of any callback.
  virtual void CloseOnLoop(const absl::Status& reason) = 0;
};

class Loop {
 public:
  Loop(Executor* executor, LogSink log);
  ~Loop();

  asio::io_context& io() { return *io_; }
  Executor& executor() { return *executor_; }
  Turns& reads() { return reads_; }
  Turns& writes() { return writes_; }
  void Log(LogLevel level, absl::string_view text) const;

  // Runs `task` on the loop's thread. False (and `task` untouched) once the loop has ended.
  bool TryPost(Task& task);
  // The same, or on the strand once the loop has ended.
  void Post(Task task);
  bool InLoopThread() const { return loop_thread_ == std::this_thread::get_id(); }

  // False if the loop is stopping: then the caller closes the thing itself.
  bool Register(std::shared_ptr<Closable> thing);
  void Unregister(Closable* thing);

  // The thread polls for the longest time that anyone asked for.
  void RaiseSpin(int spin_us);

  // Closes all that is registered and returns after the last callback. Not from the loop's thread.
  void Stop();
  bool stopping() const { return stopping_; }

  // Releases the io_context with what still waits in it. REQUIRES: stopped.
  void Destroy();

 private:
  void Run();
  // True if something ran.
  bool Spin();
  void CloseAll();

  Executor* const executor_;
  Strand after_end_;
  const LogSink log_;
  std::unique_ptr<asio::io_context> io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  Turns reads_;
  Turns writes_;
  std::atomic<int> spin_us_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<std::thread::id> loop_thread_;
  bool closed_all_ = false;                                               // loop's thread
  absl::flat_hash_map<Closable*, std::shared_ptr<Closable>> registered_;  // loop's thread
  absl::Mutex mutex_;
  bool accepts_tasks_ ABSL_GUARDED_BY(mutex_) = true;
  absl::Mutex join_mutex_;
  std::thread thread_ ABSL_GUARDED_BY(join_mutex_);
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_LOOP_H_
