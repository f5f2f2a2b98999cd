#include "core/server/leader.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway {

absl::StatusOr<std::shared_ptr<Leader>> Leader::Create(Executor* executor,
                                                       const SchedulingOptions& options,
                                                       Observer observer) {
  auto scheduler = optim::Scheduler::Create(options);
  if (!scheduler.ok()) return scheduler.status();
  return std::shared_ptr<Leader>(new Leader(executor, *std::move(scheduler), std::move(observer)));
}

Leader::Leader(Executor* executor, optim::Scheduler scheduler, Observer observer)
    : executor_(executor), observer_(std::move(observer)), scheduler_(std::move(scheduler)) {}

void Leader::Request(uint64_t worker, uint64_t incarnation, uint64_t cycle, const Arrival& arrival,
                     Reply reply) {
  Outbox out;
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    status = stopped_ ? absl::CancelledError("the server is stopping")
                      : RequestLocked(worker, incarnation, cycle, arrival, reply, out);
    if (status.ok()) Advance(out);
  }
  if (!status.ok()) return reply(status);
  Deliver(std::move(out));
}

absl::Status Leader::RequestLocked(uint64_t worker, uint64_t incarnation, uint64_t cycle,
                                   const Arrival& arrival, Reply& reply, Outbox& out) {
  Member& member = members_[worker];
  const bool known = member.incarnation == incarnation;
  if (known && cycle == member.cycle) {  // asked again
    if (member.answer.has_value()) {
      out.replies.emplace_back(std::move(reply), *member.answer);
    } else {
      member.reply = std::move(reply);
    }
    return absl::OkStatus();
  }
  // A worker that this leader does not know yet (it recovered, or the worker rejoined) may begin at any cycle.
  if (known && (cycle != member.cycle + 1 || !member.answer.has_value())) {
    return absl::FailedPreconditionError(
        absl::StrCat("asked for cycle ", cycle, " after cycle ", member.cycle));
  }
  const absl::Time now = executor_->Now();
  absl::Status status =
      known ? scheduler_.Arrive(worker, arrival, now) : scheduler_.Join(worker, now);
  if (!status.ok()) return status;
  if (known) {
    ++member.cycles;
    member.steps += arrival.inner_steps;
    out.events.push_back({ServerEvent::Kind::kArrive, {worker, 0}});
  }
  member.incarnation = incarnation;
  member.cycle = cycle;
  member.reply = std::move(reply);
  member.answer.reset();
  return absl::OkStatus();
}

void Leader::Leave(uint64_t worker) {
  Outbox out;
  {
    absl::MutexLock lock(&mutex_);
    auto it = members_.find(worker);
    if (it == members_.end() || it->second.incarnation == 0) return;
    it->second.incarnation = 0;
    it->second.reply = nullptr;
    it->second.answer.reset();
    scheduler_.Leave(worker, executor_->Now());
    Advance(out);
  }
  Deliver(std::move(out));
}

void Leader::Advance(Outbox& out) {
  for (const optim::Release& release : scheduler_.Poll(executor_->Now())) {
    Member& member = members_[release.worker];
    member.answer = release.assignment;
    out.events.push_back(
        {ServerEvent::Kind::kRelease, {release.worker, release.assignment.window}});
    if (member.reply) out.replies.emplace_back(std::move(member.reply), release.assignment);
    member.reply = nullptr;
  }
  ArmTimer();
}

void Leader::ArmTimer() {
  const absl::Time due = scheduler_.NextDeadline();
  if (due == timer_due_ && timer_ != 0) return;
  if (timer_ != 0) executor_->Cancel(timer_);
  timer_ = 0;
  timer_due_ = due;
  if (due == absl::InfiniteFuture() || stopped_) return;
  timer_ = executor_->PostAt(due, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnTimer();
  });
}

void Leader::OnTimer() {
  Outbox out;
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    timer_ = 0;
    Advance(out);
  }
  Deliver(std::move(out));
}

void Leader::Deliver(Outbox out) {
  for (const auto& [kind, who] : out.events) observer_(kind, who.first, who.second);
  for (auto& [reply, assignment] : out.replies) reply(assignment);
}

void Leader::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  if (timer_ != 0) executor_->Cancel(timer_);
  timer_ = 0;
  for (auto& [worker, member] : members_) member.reply = nullptr;
}

void Leader::AddTo(ServerStats& stats) const {
  absl::MutexLock lock(&mutex_);
  const optim::SchedulerStats scheduler = scheduler_.stats();
  stats.window = scheduler.window;
  stats.grace_seconds = absl::ToDoubleSeconds(scheduler.grace);
  stats.steps_finished = scheduler.steps_learned;
  stats.steps_target = scheduler.steps_total;
  stats.finished = scheduler.finished;
  for (WorkerStats& worker : stats.workers) {
    auto it = members_.find(worker.id);
    if (it == members_.end()) continue;
    worker.cycles = it->second.cycles;
    worker.steps_finished = it->second.steps;
    if (!it->second.answer.has_value()) continue;
    worker.shard = it->second.answer->shard;
    worker.inner_steps = it->second.answer->inner_steps;
  }
}

optim::SchedulerState Leader::Export() const {
  absl::MutexLock lock(&mutex_);
  return scheduler_.State();
}

absl::Status Leader::Restore(const optim::SchedulerState& state) {
  absl::MutexLock lock(&mutex_);
  return scheduler_.Restore(state);
}

}  // namespace tideway
