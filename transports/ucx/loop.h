// Loop: the one progress thread of a UCX transport: it runs an io_context (side sockets, timers, posted tasks) and makes
// the active UCX workers progress.
//
// A worker is active from the moment that something happens on it until nothing has happened for the time to spin; then it
// is armed: its file descriptor becomes readable when there is something again. When no worker is active, the thread
// blocks in epoll, so an idle process uses no CPU. A worker that can't be armed, because it has sends to finish, is looked at
// ten thousand times a second.
//
// Post, TryPost and Wake may be called from any thread. Once the loop has ended, what is posted runs on the executor
// instead, so that a completion is never lost. The rest belongs to the loop's thread.

#ifndef TIDEWAY_TRANSPORTS_UCX_LOOP_H_
#define TIDEWAY_TRANSPORTS_UCX_LOOP_H_

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "core/runtime/strand.h"
#include "tideway/executor.h"
#include "tideway/log.h"

namespace tideway::ucx {

// What the loop closes when it stops: connections, acceptors, attempts to connect.
class Closable {
 public:
  virtual ~Closable() = default;
  // Called by the loop's thread, outside of any callback.
  virtual void CloseOnLoop(const absl::Status& reason) = 0;
};

enum class Armed {
  kYes,   // the loop may leave it alone until it calls Activate
  kBusy,  // something has come in between: make progress, then try again
  kNo,    // nothing will announce itself: look again and again
};

// What the loop makes progress. Activate and Deactivate tell it when.
class Pollable {
 public:
  virtual ~Pollable() = default;
  // True if something happened.
  virtual bool Progress() = 0;
  virtual Armed Arm() = 0;

 private:
  friend class Loop;
  bool active_ = false;
  int idle_turns_ = 0;
};

// What can be woken from any thread.
class Wakeable {
 public:
  virtual ~Wakeable() = default;
  virtual void OnWake() = 0;  // loop's thread
};

class Loop {
 public:
  Loop(Executor* executor, LogSink log);
  ~Loop();

  asio::io_context& io() { return *io_; }
  Executor& executor() { return *executor_; }
  const LogSink& log() const { return log_; }
  void Log(LogLevel level, absl::string_view text) const;

  // Runs `task` on the loop's thread. False (and `task` untouched) once the loop has ended.
  bool TryPost(Task& task);
  // The same, or on the strand once the loop has ended.
  void Post(Task task);
  // Calls OnWake soon; allocates nothing while the loop is busy. Dropped once the loop has ended.
  void Wake(std::shared_ptr<Wakeable> who);
  bool InLoopThread() const { return loop_thread_ == std::this_thread::get_id(); }

  void Activate(Pollable* pollable);
  void Deactivate(Pollable* pollable);

  // False if the loop is stopping: then the caller closes the thing itself.
  bool Register(std::shared_ptr<Closable> thing);
  void Unregister(Closable* thing);

  // The loop ends only when each of these has been matched by LingerEnds.
  void LingerBegins() { ++lingering_; }
  void LingerEnds() { --lingering_; }

  // The thread spins for the longest time that anyone asked for.
  void RaiseSpin(int spin_us);

  // Closes all that is registered and returns after the last callback. Not from the loop's thread.
  void Stop();
  bool stopping() const { return stopping_; }

  // Releases the io_context with what still waits in it. REQUIRES: stopped.
  void Destroy();

 private:
  void Run();
  bool Turn();
  bool RunWoken();
  bool ProgressActive();
  bool SpinIsOver();
  // False: there is something to do first.
  bool Block();
  void Nap();
  Armed ArmAll();
  void CloseAll();

  Executor* const executor_;
  Strand after_end_;
  const LogSink log_;
  std::unique_ptr<asio::io_context> io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::unique_ptr<asio::steady_timer> nap_;  // the loop's thread
  std::atomic<int> spin_us_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> blocked_{false};
  std::atomic<bool> someone_woken_{false};
  std::atomic<std::thread::id> loop_thread_;

  // The loop's thread.
  bool closed_all_ = false;
  int lingering_ = 0;
  absl::flat_hash_map<Closable*, std::shared_ptr<Closable>> registered_;
  std::vector<Pollable*> active_;  // null: deactivated while being walked over
  std::vector<std::shared_ptr<Wakeable>> waking_;
  int turns_since_io_ = 0;
  int idle_turns_ = 0;
  int busy_in_a_row_ = 0;
  absl::Time spin_end_;

  absl::Mutex mutex_;
  bool accepts_tasks_ ABSL_GUARDED_BY(mutex_) = true;
  std::vector<std::shared_ptr<Wakeable>> woken_ ABSL_GUARDED_BY(mutex_);
  absl::Mutex join_mutex_;
  std::thread thread_ ABSL_GUARDED_BY(join_mutex_);
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_LOOP_H_
