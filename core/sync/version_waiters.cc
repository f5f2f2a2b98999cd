#include "core/sync/version_waiters.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::sync {

void VersionWaiters::Complete(Subscriber::Done done, absl::StatusOr<WeightsPtr> result) {
  completions_.Post([done = std::move(done), result = std::move(result)]() mutable {
    std::move(done)(std::move(result));
  });
}

uint64_t VersionWaiters::Add(WeightVersionId than, Subscriber::Done done) {
  if (waiters_.size() >= kWeightWaitersMax) {
    Complete(std::move(done), absl::ResourceExhaustedError(absl::StrCat(
                                  kWeightWaitersMax, " wait for the next version already")));
    return 0;
  }
  waiters_.push_back({.id = ++last_id_, .than = than, .done = std::move(done)});
  return last_id_;
}

void VersionWaiters::SetTimer(uint64_t id, TimerId timer) { Find(id)->timer = timer; }

void VersionWaiters::Expire(uint64_t id, const absl::Status& why) {
  const auto waiter = Find(id);
  if (waiter == waiters_.end()) return;
  Complete(std::move(waiter->done), why);
  waiters_.erase(waiter);
}

void VersionWaiters::Install(const WeightsPtr& weights) {
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    if (waiter->than == weights->id()) {
      ++waiter;
      continue;
    }
    executor_->Cancel(waiter->timer);
    Complete(std::move(waiter->done), weights);
    waiter = waiters_.erase(waiter);
  }
}

void VersionWaiters::Fail(const absl::Status& why) {
  for (Waiter& waiter : waiters_) {
    executor_->Cancel(waiter.timer);
    Complete(std::move(waiter.done), why);
  }
  waiters_.clear();
}

std::list<VersionWaiters::Waiter>::iterator VersionWaiters::Find(uint64_t id) {
  return std::find_if(waiters_.begin(), waiters_.end(),
                      [id](const Waiter& waiter) { return waiter.id == id; });
}

}  // namespace tideway::sync
