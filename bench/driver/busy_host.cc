#include "bench/driver/busy_host.h"

#include <algorithm>
#include <utility>

namespace bench {

using tideway::Task;
using tideway::TimerId;

void BusyHost::Spend(absl::Duration time) {
  ahead_ += time;
  spent_ += time;
}

TimerId BusyHost::PostAt(absl::Time when, Task task) {
  if (stopped_) return 0;
  const TimerId timer = next_++;
  waiting_[timer].task = std::move(task);
  Schedule(timer, std::max(when, Now()));
  return timer;
}

void BusyHost::Schedule(TimerId timer, absl::Time when) {
  waiting_[timer].in_simulation = simulation_->PostAt(when, [this, timer] { Run(timer); });
}

void BusyHost::Run(TimerId timer) {
  const auto core = std::min_element(free_at_.begin(), free_at_.end());
  if (*core > simulation_->Now()) return Schedule(timer, *core);
  auto node = waiting_.extract(timer);
  ahead_ = absl::ZeroDuration();
  std::move(node.mapped().task)();
  *core = simulation_->Now() + ahead_;
  ahead_ = absl::ZeroDuration();
}

bool BusyHost::Cancel(TimerId timer) {
  // Out of the map first: the task's destructor may call back.
  auto node = waiting_.extract(timer);
  if (node.empty()) return false;
  simulation_->Cancel(node.mapped().in_simulation);
  return true;
}

void BusyHost::Stop() {
  stopped_ = true;
  std::map<TimerId, Waiting> unrun;
  unrun.swap(waiting_);
  for (const auto& [timer, waiting] : unrun) simulation_->Cancel(waiting.in_simulation);
}

}  // namespace bench
