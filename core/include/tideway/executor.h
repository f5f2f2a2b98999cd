// Executor: where the core's logic runs, and its only clock and source of randomness.
//
// Nothing in the core sleeps, reads the time, draws a random number or starts a thread by itself; it asks
// the Executor that the program handed over. In production that is a pool of threads (NewThreadExecutor);
// in simulation it is one thread with virtual time (sim_executor.h), so that the same client and server run
// reproducibly from one seed.
//
// Threads: every method may be called from any thread, also from inside a task. Tasks run on the executor's
// threads, never inside the call that posted them. Tasks posted by Post may run in parallel; who needs them
// one after the other uses a Strand (core/runtime/strand.h).
//
// Ownership: a task is destroyed after it ran, or unrun when the executor is stopped or its timer cancelled.
// Stop: Stop() returns after the last task has returned; tasks still queued are destroyed unrun. It must not
// be called from a task.
//
// fork: a child has none of the threads. What it posts to its parent's NewThreadExecutor is dropped, and stopping or destroying that one
// waits for nothing.
//
//   auto executor = tideway::NewThreadExecutor({.threads = 2});
//   executor->Post([] { ... });
//   executor->PostAt(executor->Now() + absl::Seconds(1), [] { ... });

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_EXECUTOR_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_EXECUTOR_H_

#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace tideway {

using Task = absl::AnyInvocable<void()>;

// Names a timer; 0 names none.
using TimerId = uint64_t;

class Executor {
 public:
  virtual ~Executor() = default;

  // The executor's own time. Monotonic within one executor; comparable between processes only in production,
  // where it is the wall clock.
  virtual absl::Time Now() const = 0;

  // A fresh pseudo-random number. Seeded in simulation; from the operating system's entropy otherwise.
  virtual uint64_t Random() = 0;

  // Runs `task` soon.
  virtual void Post(Task task) = 0;

  // Runs `task` at `when` or soon after it. A time in the past means soon.
  virtual TimerId PostAt(absl::Time when, Task task) = 0;

  // True if the timer's task was still waiting: then it never runs, and is destroyed before Cancel returns.
  virtual bool Cancel(TimerId timer) = 0;

  virtual void Stop() = 0;

  // Whether time jumps from task to task, as in simulation: what waits for something real can't work with it.
  virtual bool in_virtual_time() const { return false; }
};

struct ThreadExecutorOptions {
  // Threads that run tasks; one more thread keeps the timers. 0 means: one per core, at most 8.
  int threads = 0;
};

std::unique_ptr<Executor> NewThreadExecutor(const ThreadExecutorOptions& options = {});

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_EXECUTOR_H_
