#include "core/runtime/strand.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/runtime/ring_queue.h"

namespace tideway {
namespace {

// Tasks per turn on an executor thread: enough to make the hop cheap, few enough to let other
// strands have a turn.
constexpr int kTasksPerTurn = 16;

}  // namespace

struct Strand::State {
  explicit State(Executor* e) : executor(e) {}

  // Moves the next task to `task`. False, and the strand is idle, if none waits.
  bool Next(Task& task) {
    absl::MutexLock lock(&mutex);
    if (urgent.empty() && normal.empty()) {
      scheduled = false;
      return false;
    }
    task = urgent.empty() ? normal.pop_front() : urgent.pop_front();
    return true;
  }

  // False, and the strand is idle, if no task waits.
  bool TasksWait() {
    absl::MutexLock lock(&mutex);
    scheduled = !urgent.empty() || !normal.empty();
    return scheduled;
  }

  Executor* const executor;
  absl::Mutex mutex;
  bool scheduled ABSL_GUARDED_BY(mutex) = false;  // a Turn waits or runs
  RingQueue<Task> urgent ABSL_GUARDED_BY(mutex);
  RingQueue<Task> normal ABSL_GUARDED_BY(mutex);
};

// The strand's task on the executor. Destroyed unrun (the executor has stopped), it destroys what
// waits: tasks that own their strand would otherwise keep themselves alive for ever.
class Strand::Turn {
 public:
  explicit Turn(std::shared_ptr<State> state) : state_(std::move(state)) {}
  Turn(Turn&&) noexcept = default;
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (state_ == nullptr) return;
    RingQueue<Task> urgent;
    RingQueue<Task> normal;
    absl::MutexLock lock(&state_->mutex);
    state_->urgent.swap(urgent);
    state_->normal.swap(normal);
    state_->scheduled = false;
  }

  void operator()() { Run(std::move(state_), nullptr); }

  // Runs `task`, if there is one, and then what waits. REQUIRES: this turn is the strand's only one.
  static void Run(std::shared_ptr<State> state, Task task) {
    if (task != nullptr) std::move(task)();
    task = nullptr;
    for (int i = 0; i < kTasksPerTurn; ++i) {
      if (!state->Next(task)) return;
      std::move(task)();
      task = nullptr;
    }
    Executor* executor = state->executor;
    executor->Post(Turn(std::move(state)));
  }

 private:
  std::shared_ptr<State> state_;
};

Strand::Strand(Executor* executor) : state_(std::make_shared<State>(executor)) {}

void Strand::Post(Task task) {
  {
    absl::MutexLock lock(&state_->mutex);
    state_->normal.push_back(std::move(task));
    if (std::exchange(state_->scheduled, true)) return;
  }
  state_->executor->Post(Turn(state_));
}

bool Strand::PushOrBegin(Task& task) {
  absl::MutexLock lock(&state_->mutex);
  if (!std::exchange(state_->scheduled, true)) return true;
  state_->normal.push_back(std::move(task));
  return false;
}

void Strand::Dispatch(Task task) {
  // The task may drop the last handle.
  std::shared_ptr<State> state = state_;
  if (PushOrBegin(task)) Turn::Run(std::move(state), std::move(task));
}

void Strand::EndAlone(std::shared_ptr<State> state) {
  Executor* executor = state->executor;
  if (state->TasksWait()) executor->Post(Turn(std::move(state)));
}

void Strand::DispatchAlone(Task task) {
  std::shared_ptr<State> state = state_;
  if (!PushOrBegin(task)) return;
  std::move(task)();
  task = nullptr;
  EndAlone(std::move(state));
}

bool Strand::TryRun(Task& task) {
  std::shared_ptr<State> state = state_;
  {
    absl::MutexLock lock(&state->mutex);
    if (std::exchange(state->scheduled, true)) return false;
  }
  std::move(task)();
  task = nullptr;
  EndAlone(std::move(state));
  return true;
}

void Strand::Leave(Task task) {
  absl::MutexLock lock(&state_->mutex);
  state_->normal.push_back(std::move(task));
}

void Strand::RunLeft() {
  std::shared_ptr<State> state = state_;
  Task task;
  {
    absl::MutexLock lock(&state->mutex);
    if (state->scheduled || state->normal.empty()) return;
    state->scheduled = true;
    task = state->normal.pop_front();
  }
  Turn::Run(std::move(state), std::move(task));
}

void Strand::PostUrgent(Task task) {
  {
    absl::MutexLock lock(&state_->mutex);
    state_->urgent.push_back(std::move(task));
    if (std::exchange(state_->scheduled, true)) return;
  }
  state_->executor->Post(Turn(state_));
}

}  // namespace tideway
