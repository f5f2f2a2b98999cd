#include "tideway/sim_executor.h"

#include <algorithm>

namespace tideway {
namespace {

// Where virtual time begins: any fixed time does; this one is easy to read in a log (2001-09-09
// 01:46:40 UTC).
absl::Time StartOfTime() { return absl::FromUnixSeconds(1'000'000'000); }

}  // namespace

SimExecutor::SimExecutor(uint64_t seed) : now_(StartOfTime()), random_(seed) {}

SimExecutor::~SimExecutor() { Stop(); }

void SimExecutor::Post(Task task) { PostAt(now_, std::move(task)); }

TimerId SimExecutor::PostAt(absl::Time when, Task task) {
  if (stopped_) return 0;
  const TimerId id = next_id_++;
  const absl::Time due = std::max(when, now_);
  queue_.emplace(Key(due, id), std::move(task));
  due_.emplace(id, due);
  return id;
}

bool SimExecutor::Cancel(TimerId timer) {
  auto due = due_.find(timer);
  if (due == due_.end()) return false;
  // Out of the queue first: the task's destructor may call back.
  auto node = queue_.extract(Key(due->second, timer));
  due_.erase(due);
  return true;
}

void SimExecutor::Stop() {
  stopped_ = true;
  std::map<Key, Task> unrun;
  unrun.swap(queue_);
  due_.clear();
}

bool SimExecutor::RunOne() {
  // A timer in the infinite future never comes due.
  if (queue_.empty() || queue_.begin()->first.first == absl::InfiniteFuture()) return false;
  auto node = queue_.extract(queue_.begin());
  due_.erase(node.key().second);
  now_ = node.key().first;
  std::move(node.mapped())();
  return true;
}

uint64_t SimExecutor::RunUntilIdle(uint64_t tasks_max) {
  uint64_t ran = 0;
  while (ran < tasks_max && RunOne()) ++ran;
  return ran;
}

void SimExecutor::RunUntil(absl::Time end) {
  while (!queue_.empty() && queue_.begin()->first.first <= end && RunOne()) {
  }
  now_ = std::max(now_, end);
}

}  // namespace tideway
