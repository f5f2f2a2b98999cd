// Loop: the one progress thread of a libfabric transport.
//
// It drives the providers (manual progress: nothing moves unless somebody asks their completion queues), watches the sockets
// beside them, runs posted tasks and keeps deadlines. It polls for a short while (spin) after it last had something to do.
// Then it blocks: in the kernel, on sockets and on those completion queues that have a descriptor to wait for; or, where a
// provider has none, for a short time that grows while nothing happens. Some descriptors stay readable although their queue has
// nothing (the net provider's of libfabric 1.17, after a read): after some such false alarms in a row they are not listened to
// until something happens, and their queues are asked like those without one.
//
// Post may be called from any thread. Once the loop has ended, what is posted runs on the executor instead, so that a
// completion is never lost. All else belongs to the loop's thread.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_LOOP_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_LOOP_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/runtime/strand.h"
#include "tideway/executor.h"
#include "tideway/log.h"
#include "transports/libfabric/socket.h"

namespace tideway::libfabric {

// What the loop closes when it stops: connections, acceptors, attempts to connect.
class Closable {
 public:
  virtual ~Closable() = default;
  // Begins to close, and unregisters itself when that is done, at once or later.
  virtual void CloseOnLoop(const absl::Status& reason) = 0;
  // The providers are shut: what could not close in time closes now.
  virtual void Abandon() {}
  // Does what is due, and says when it wants to be asked again.
  virtual absl::Time OnTime(absl::Time /*now*/) { return absl::InfiniteFuture(); }
};

// What has a socket that the loop watches.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void OnReady(uint32_t events) = 0;
};

// A provider's queue.
class Pollable {
 public:
  virtual ~Pollable() = default;
  // True if something happened.
  virtual bool Progress() = 0;
  // A descriptor to wait for; -1: there is none.
  virtual int wait_descriptor() const = 0;
  // Whether the thread may wait for the descriptor now.
  virtual bool MayWait() = 0;
  // Whether something is under way, so that a long wait would be wrong if an event went by unseen.
  virtual bool busy() const = 0;
  virtual void Shut() = 0;
};

class Loop {
 public:
  Loop(Executor* executor, LogSink log);
  ~Loop();

  Executor& executor() { return *executor_; }
  absl::Time Now() const { return executor_->Now(); }
  void Log(LogLevel level, absl::string_view text) const;

  // Runs `task` on the loop's thread. False (and `task` untouched) once the loop has ended.
  bool TryPost(Task& task);
  // The same, or on the strand once the loop has ended.
  void Post(Task task);
  // Runs `task` on the loop's thread and waits for it; at once if this is that thread. False once the loop has ended.
  bool Run(absl::AnyInvocable<void()> task);
  bool InLoopThread() const { return loop_thread_ == std::this_thread::get_id(); }

  // False if the loop is stopping: then the caller closes the thing itself.
  bool Register(std::shared_ptr<Closable> thing);
  void Unregister(Closable* thing);

  // Has OnTime called at `when`.
  void WakeAt(absl::Time when) { next_time_ = std::min(next_time_, when); }

  // `events` as in epoll. The number names the watch.
  uint64_t Watch(int descriptor, uint32_t events, Watcher* watcher);
  void Rewatch(uint64_t watch, int descriptor, uint32_t events);
  void Unwatch(uint64_t watch, int descriptor);

  // Kept until it is removed or the loop ends. Not to be removed from within Progress.
  void AddPollable(std::shared_ptr<Pollable> pollable);
  void RemovePollable(Pollable* pollable);

  // The thread polls for the longest time that anyone asked for.
  void RaiseSpin(int spin_us);
  int spin_us() const { return spin_us_.load(std::memory_order_relaxed); }

  // Closes all that is registered and returns after the last callback. Not from the loop's thread.
  void Stop();
  bool stopping() const { return stopping_; }

 private:
  void RunLoop();
  void Turn();
  bool RunTasks();
  bool Progress();
  bool PollSockets();
  void RunTimes(absl::Time now);
  void Block(absl::Time now);
  void CountFalseAlarm();
  void ListenToQueues(bool listen);
  absl::Duration LongestWait(absl::Time now) const;
  void CloseAll();
  void AbandonAll();

  Executor* const executor_;
  Strand after_end_;
  const LogSink log_;
  std::atomic<int> spin_us_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<std::thread::id> loop_thread_;

  absl::Mutex mutex_;
  bool accepts_tasks_ ABSL_GUARDED_BY(mutex_) = true;
  bool asleep_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> has_tasks_{false};

  // The loop's thread.
  std::vector<Task> running_tasks_;
  bool closed_all_ = false;
  absl::Time abandon_at_ = absl::InfiniteFuture();
  absl::flat_hash_map<Closable*, std::shared_ptr<Closable>> registered_;
  absl::Time next_time_ = absl::InfiniteFuture();
  Descriptor epoll_;
  Descriptor wake_;
  uint64_t next_watch_ = 1;
  absl::flat_hash_map<uint64_t, Watcher*> watches_;
  std::vector<std::shared_ptr<Pollable>> pollables_;
  bool listens_to_queues_ = true;
  int false_alarms_ = 0;  // in a row
  absl::Time last_work_ = absl::InfinitePast();
  uint64_t turns_ = 0;

  absl::Mutex join_mutex_;
  std::thread thread_ ABSL_GUARDED_BY(join_mutex_);
};

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_LOOP_H_
