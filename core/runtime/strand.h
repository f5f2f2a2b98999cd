// Strand: runs its tasks one after the other, in the order in which they were posted, on the
// threads of an executor.
//
// What only one strand's tasks touch needs no lock. Tasks of different strands run in parallel.
//
// Threads: every method may be called from any thread, also from a task. What was posted never runs
// inside the call that posted it. Dispatch runs its task at once, on the caller's thread, if the
// strand is idle: it saves waking another thread where the task is short, and where the caller can
// have it run there and then (it holds no lock that the task may want). Lifetime: a Strand is a handle; copies name the same strand. Dropping
// the last handle drops nothing that waits: the waiting tasks still run. When the executor is
// stopped, the waiting tasks are destroyed unrun.
//
//   Strand strand(executor);
//   strand.Post([this] { Apply(); });
//   strand.PostUrgent([this] { Publish(); });   // before every Apply that still waits

#ifndef TIDEWAY_CORE_RUNTIME_STRAND_H_
#define TIDEWAY_CORE_RUNTIME_STRAND_H_

#include <memory>

#include "tideway/executor.h"

namespace tideway {

class Strand {
 public:
  // `executor` outlives the strand and its tasks.
  explicit Strand(Executor* executor);

  void Post(Task task);

  // Goes in front of what Post left waiting, and behind the urgent tasks that wait.
  void PostUrgent(Task task);

  // Runs `task`, and a few of what was posted meanwhile, before it returns; or, if a task of this
  // strand is running or waiting, does what Post does.
  void Dispatch(Task task);

  // The same, but nothing else of the strand runs before it returns: for a caller who may hold a
  // lock that others' tasks want, such as a user who calls us.
  void DispatchAlone(Task task);

  // Runs `task` on the caller's thread, and nothing else, if the strand is idle. False, and `task` is untouched, if it isn't.
  bool TryRun(Task& task);

  // Post without waking anybody: if the strand is idle, the task waits for RunLeft, or for what is posted next. For a strand on
  // which nothing is dispatched: that would overtake it.
  void Leave(Task task);

  // What Dispatch does, for what Leave left.
  void RunLeft();

 private:
  struct State;
  class Turn;

  // True: the caller runs the task, and the strand is busy. False: it waits its turn.
  bool PushOrBegin(Task& task);
  // Gives the strand back after a task that ran alone.
  static void EndAlone(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_STRAND_H_
