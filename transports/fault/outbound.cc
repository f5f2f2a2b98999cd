#include "transports/fault/outbound.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tideway/limits.h"

namespace tideway::fault {
namespace {

constexpr int kClosingRounds = 8;
constexpr uint64_t kMessagesOut = 1;
constexpr uint64_t kReadsOut = 2;

}  // namespace

Outbound::Outbound(std::shared_ptr<Connection> inner, Executor* executor, const FaultPlan& plan,
                   std::shared_ptr<Switchboard> board, const Identity& identity)
    : inner_(std::move(inner)),
      executor_(executor),
      plan_(plan),
      board_(std::move(board)),
      identity_(identity),
      message_dice_(plan.seed, identity.for_dice(), kMessagesOut),
      read_dice_(plan.seed, identity.for_dice(), kReadsOut) {}

void Outbound::Begin() {
  if (!board_->Add(identity_, weak_from_this())) return;
  Stall();
  if (!board_->stalled()) Resume();  // it ended in between, and may have looked for us too early
}

void Outbound::Submit(Op op) {
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    status = Admit(op);
    if (status.ok()) {
      Enqueue(std::move(op));
      Advance();
      return;
    }
  }
  // Every transport refuses an empty message, on its progress thread and without harm: that is how we get there.
  inner_->Send({}, absl::InfiniteFuture(),
               [done = std::move(op.done), status](const absl::Status&) mutable {
                 std::move(done)(status);
               });
}

absl::Status Outbound::Admit(const Op& op) const {
  if (ended_) return absl::CancelledError("the connection is closed");
  if (op.is_read) {
    if (reads_ < kReadsInFlightMax) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat(
        kReadsInFlightMax, " reads are in flight, which is the limit; wait for some to finish"));
  }
  if (messages_ < kSendQueueMessagesMax && op.bytes() <= kSendQueueBytesMax - bytes_) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "the send queue is full: ", messages_, " messages of ", bytes_,
      " bytes wait; the limits are ", kSendQueueMessagesMax, " and ", kSendQueueBytesMax));
}

void Outbound::Enqueue(Op op) {
  Waiting next;
  next.number = op.is_read ? ++reads_drawn_ : ++messages_drawn_;
  next.fate = OutboundFate(op.is_read ? read_dice_ : message_dice_, plan_);
  if (op.is_read) {
    ++reads_;
  } else {
    ++messages_;
    bytes_ += op.bytes();
  }
  if (next.fate.delay > absl::ZeroDuration()) {
    last_due_ = std::max(last_due_, executor_->Now() + next.fate.delay);
    Tell(FaultKind::kDelay, next.number, next.fate.delay, 0);
  }
  next.due = last_due_;
  next.op = std::move(op);
  deadlines_.insert(next.op.deadline);
  line_.push_back(std::move(next));
}

void Outbound::Pump(absl::Time due) {
  absl::MutexLock lock(&mutex_);
  if (timer_at_ == due) {  // and not a timer that was too late to be cancelled
    timer_ = 0;
    timer_at_ = absl::InfiniteFuture();
  }
  Advance();
}

void Outbound::Advance() {
  if (closing_) return;
  const absl::Time now = executor_->Now();
  while (!line_.empty() && stalled_until_ <= now && line_.front().due <= now) {
    Waiting& next = line_.front();
    if (std::exchange(next.fate.stall, false)) {
      BeginStall(next, now);
      continue;
    }
    if (next.fate.drop || board_->TakeArmed(FaultKind::kDrop)) {
      Tell(FaultKind::kDrop, next.number, absl::ZeroDuration(), 0);
      CloseLocked(absl::UnavailableError("the connection was dropped by the fault decorator"));
      return;
    }
    Waiting leaves = std::move(next);
    line_.pop_front();
    deadlines_.erase(deadlines_.find(leaves.op.deadline));
    Forward(std::move(leaves));
  }
  if (!Late(now)) Arm();
}

// What has its turn at its deadline is begun: then the wrapped connection decides.
bool Outbound::Late(absl::Time now) {
  if (deadlines_.empty() || *deadlines_.begin() > now) return false;
  CloseLocked(absl::DeadlineExceededError(
      absl::StrCat("a message to, or a read from, ", inner_->info().peer,
                   " was not out by its deadline; the connection is closed")));
  return true;
}

void Outbound::BeginStall(Waiting& next, absl::Time now) {
  stalled_until_ = now + plan_.stall;
  Tell(FaultKind::kStall, next.number, plan_.stall, 0);
}

void Outbound::Forward(Waiting next) {
  const uint64_t id = ++next_id_;
  Done done = [self = shared_from_this(), id](const absl::Status& status) {
    self->OnDone(id, status);
  };
  Begun& begun = begun_[id];
  begun = {std::move(next.op), next.fate, next.number};
  const Op& op = begun.op;
  if (op.is_read) {
    inner_->one_sided()->Read(op.descriptor, op.offset, op.local, op.deadline, std::move(done));
  } else {
    inner_->Send(op.message, op.deadline, std::move(done));
  }
}

void Outbound::Arm() {
  absl::Time wake = deadlines_.empty() ? absl::InfiniteFuture() : *deadlines_.begin();
  if (!line_.empty()) wake = std::min(wake, std::max(stalled_until_, line_.front().due));
  if (wake == timer_at_) return;
  Disarm();
  if (wake == absl::InfiniteFuture()) return;
  timer_at_ = wake;
  timer_ = executor_->PostAt(wake, [weak = weak_from_this(), wake] {
    if (const auto self = weak.lock()) self->Pump(wake);
  });
}

void Outbound::Disarm() {
  if (timer_ != 0) executor_->Cancel(std::exchange(timer_, 0));
  timer_at_ = absl::InfiniteFuture();
}

void Outbound::CloseLocked(const absl::Status& reason) {
  closing_ = true;
  if (!ended_) Disarm();
  inner_->Close(reason);
}

void Outbound::Close(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  CloseLocked(reason);
}

void Outbound::Kill() {
  absl::MutexLock lock(&mutex_);
  if (closing_) return;
  Tell(FaultKind::kKill, 0, absl::ZeroDuration(), 0);
  CloseLocked(absl::UnavailableError("the connection was killed by the fault decorator"));
}

void Outbound::Stall() {
  absl::MutexLock lock(&mutex_);
  if (closing_) return;
  stalled_until_ = absl::InfiniteFuture();
  Tell(FaultKind::kStall, 0, absl::InfiniteDuration(), 0);
  Advance();
}

void Outbound::Resume() {
  absl::MutexLock lock(&mutex_);
  stalled_until_ = absl::InfinitePast();
  Advance();
}

void Outbound::Release(const Op& op) {
  if (op.is_read) {
    --reads_;
  } else {
    --messages_;
    bytes_ -= op.bytes();
  }
}

void Outbound::OnDone(uint64_t id, const absl::Status& status) {
  Begun begun;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = begun_.find(id);
    if (found == begun_.end()) return;  // failed with the connection
    begun = std::move(found->second);
    begun_.erase(found);
    Release(begun.op);
  }
  if (status.ok() && begun.op.is_read) Damage(begun);
  std::move(begun.op.done)(status);
}

void Outbound::Damage(const Begun& read) {
  if (read.op.local.empty()) return;
  if (!read.fate.corrupt_read && !board_->TakeArmed(FaultKind::kCorruptRead)) return;
  const size_t byte = (read.fate.where >> 3) % read.op.local.size();
  read.op.local[byte] ^= std::byte{1} << (read.fate.where & 7);
  Tell(FaultKind::kCorruptRead, read.number, absl::ZeroDuration(), byte);
}

std::vector<Op> Outbound::TakeAll() {
  std::vector<Op> all;
  for (auto& [id, begun] : begun_) all.push_back(std::move(begun.op));
  begun_.clear();
  for (Waiting& waiting : line_) all.push_back(std::move(waiting.op));
  line_.clear();
  deadlines_.clear();
  for (const Op& op : all) Release(op);
  return all;
}

void Outbound::Fail(const absl::Status& reason) {
  board_->Remove(identity_);
  for (int round = 1; round <= kClosingRounds; ++round) {
    std::vector<Op> all;
    {
      absl::MutexLock lock(&mutex_);
      if (!std::exchange(closing_, true)) Disarm();
      all = TakeAll();
      ended_ = all.empty() || round == kClosingRounds;
    }
    if (all.empty()) return;
    for (Op& op : all) std::move(op.done)(reason);
  }
}

void Outbound::Tell(FaultKind kind, uint64_t number, absl::Duration span, size_t byte) {
  board_->Tell({kind, identity_.name(), number, span, byte});
}

}  // namespace tideway::fault
