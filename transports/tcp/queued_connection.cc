#include "transports/tcp/queued_connection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/error.hpp"
#include "asio/post.hpp"

namespace tideway::tcp {

QueuedConnection::QueuedConnection(std::shared_ptr<Loop> loop, ConnectionInfo info)
    : loop_(std::move(loop)), info_(std::move(info)), timer_(loop_->io()) {}

void QueuedConnection::Send(Message message, absl::Time deadline, Done done) {
  SendOp op(std::move(message), deadline, std::move(done));
  if (SendDirectly(op)) return;
  bool wake = false;
  const absl::Status status = queue_.Push(op, wake);
  if (!status.ok()) {
    FailSend(std::move(op.done), status);
    return;
  }
  if (!wake) return;
  asio::post(loop_->io(),
             WithMemory(flush_memory_, [self = shared_from_this()] { self->OnWoken(); }));
}

void QueuedConnection::FailSend(Done done, const absl::Status& status) {
  loop_->Post([done = std::move(done), status]() mutable { std::move(done)(status); });
}

void QueuedConnection::Close(absl::Status reason) {
  if (closing_.exchange(true)) return;
  if (reason.ok()) reason = absl::CancelledError("the connection was closed on this side");
  loop_->Post(
      [self = shared_from_this(), reason = std::move(reason)] { self->CloseOnLoop(reason); });
}

void QueuedConnection::OnWoken() {
  if (closing_) return;  // what waits is about to be failed
  queue_.Take(arriving_);
  HandOver();
}

void QueuedConnection::Flush() {
  if (closing_) return;
  queue_.TakeUnasked(arriving_);
  HandOver();
}

void QueuedConnection::HandOver() {
  absl::Time earliest = absl::InfiniteFuture();
  while (!arriving_.empty()) {
    earliest = std::min(earliest, arriving_.front().deadline);
    PushOut(arriving_.pop_front());
  }
  ArmDeadline(earliest);
  WriteOut();
}

void QueuedConnection::FinishSends() { queue_.Complete(finished_); }

// The timer stays at the earliest deadline that it was ever set to; when it fires, it is set to
// what is the earliest then. So messages with rising deadlines do not move it.
void QueuedConnection::ArmDeadline(absl::Time deadline) {
  if (deadline >= armed_deadline_) return;
  armed_deadline_ = deadline;
  timer_->expires_after(absl::ToChronoNanoseconds(
      std::clamp(deadline - loop_->executor().Now(), absl::ZeroDuration(), absl::Hours(24))));
  timer_->async_wait(
      [self = shared_from_this()](const asio::error_code& error) { self->OnDeadline(error); });
}

void QueuedConnection::OnDeadline(const asio::error_code& error) {
  if (error || closed()) return;  // moved, or closed
  armed_deadline_ = absl::InfiniteFuture();
  const absl::Time earliest = EarliestDeadline();
  if (earliest > loop_->executor().Now()) {
    ArmDeadline(earliest);
    return;
  }
  CloseOnLoop(absl::DeadlineExceededError(absl::StrCat(
      "a message to ", info_.peer, " was not out by its deadline; the connection is closed")));
}

void QueuedConnection::CloseForStreamError(const absl::Status& status) {
  loop_->Log(LogLevel::kWarning,
             absl::StrCat("tcp: closing the connection with ", info_.peer, ": ", status.message()));
  CloseOnLoop(status);
}

absl::Status QueuedConnection::ReasonFor(const asio::error_code& error) const {
  const char* where = InMidMessage() ? " in mid-message" : "";
  if (error == asio::error::eof) {
    return absl::UnavailableError(
        absl::StrCat("the peer ", info_.peer, " closed the connection", where));
  }
  return absl::UnavailableError(
      absl::StrCat("the connection with ", info_.peer, " broke", where, ": ", error.message()));
}

bool QueuedConnection::BeginClosing() {
  if (closed()) return false;
  closing_ = true;
  timer_.reset();
  return true;
}

void QueuedConnection::FinishClosing(RingQueue<SendOp>& unsent, const absl::Status& reason) {
  queue_.Close(unsent, reason);
  loop_->Unregister(this);
  const std::shared_ptr<Receiver> receiver = std::move(receiver_);
  if (receiver != nullptr) receiver->OnClosed(reason);
}

}  // namespace tideway::tcp
