// The side channel of an OfiConnection, and how it ends.

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/libfabric/connection.h"

namespace tideway::libfabric {
namespace {

// How long a peer may take to say that it no longer reads from memory that this end wants back, and reads of this end from a
// peer that has ended may take to end. Long, since what follows costs other connections too.
constexpr absl::Duration kQuiescePatience = absl::Seconds(3);
// How long messages that a peer sent before it said bye may take through the fabric.
constexpr absl::Duration kLastMessagesPatience = absl::Milliseconds(200);

}  // namespace

void OfiConnection::OnReady(uint32_t) {
  const std::shared_ptr<OfiConnection> self = shared_from_this();
  const absl::Status status = side_.Read([this](const Note& note) { OnNote(note); });
  if (finished_closing_) return;
  if (!status.ok()) {
    peer_gone_ = true;
    side_.Unwatch();
    if (ending_) {
      TryFinish();
    } else if (!peer_sent_.has_value()) {
      OnPeerGone(absl::UnavailableError(
          absl::StrCat(status.message(), " without a farewell; the peer may have crashed")));
    }
  } else if (!ending_) {
    Flush();
  }
}

void OfiConnection::OnNote(const Note& note) {
  if (note.kind == NoteKind::kReady) peer_ready_ = true;
  if (note.kind != NoteKind::kBye || ending_ || peer_sent_.has_value()) return;
  peer_sent_ = note.value;
  bye_deadline_ = loop_->Now() + kLastMessagesPatience;
  loop_->WakeAt(bye_deadline_);
  // What it sent before is on its way through the fabric; but what it wants to be read, it wants back.
  if (received_ == note.value || transfers_.reading())
    OnPeerGone(absl::UnavailableError("it was closed by the other end"));
}

void OfiConnection::OnPeerGone(const absl::Status& status) {
  CloseOnLoop(absl::UnavailableError(
      absl::StrCat("the connection with ", info_.peer, " ended: ", status.message())));
}

void OfiConnection::OnFrameFailed(const absl::Status& status) {
  if (!ending_) OnPeerGone(status);
}

void OfiConnection::CloseForPeersError(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) {
    loop_->Log(LogLevel::kWarning, absl::StrCat("libfabric: closing the connection with ",
                                                info_.peer, ": ", status.message()));
  }
  CloseOnLoop(status);
}

absl::Time OfiConnection::OnTime(absl::Time now) {
  const std::shared_ptr<OfiConnection> self = shared_from_this();
  if (ending_) {
    TryFinish();
    return finished_closing_ ? absl::InfiniteFuture() : quiesce_deadline_;
  }
  if (now >= bye_deadline_) {
    OnPeerGone(absl::UnavailableError("it was closed by the other end"));
    return quiesce_deadline_;
  }
  if (now >= armed_deadline_) {
    armed_deadline_ = std::min(outbox_.EarliestDeadline(), transfers_.EarliestDeadline());
    if (armed_deadline_ <= now) {
      CloseOnLoop(absl::DeadlineExceededError(absl::StrCat(
          "a message to ", info_.peer, " was not out by its deadline; the connection is closed")));
      return quiesce_deadline_;
    }
  }
  return std::min(armed_deadline_, bye_deadline_);
}

void OfiConnection::CloseOnLoop(const absl::Status& reason) {
  if (ending_) return;
  ending_ = true;
  closing_ = true;
  reason_ = reason;
  TryFinish();
}

void OfiConnection::Abandon() { OnRetired(absl::CancelledError("the transport was stopped")); }

void OfiConnection::OnRetired(const absl::Status& reason) {
  const std::shared_ptr<OfiConnection> self = shared_from_this();
  abandoned_ = true;
  CloseOnLoop(reason);
  TryFinish();
}

void OfiConnection::TryFinish() {
  if (finished_closing_) return;
  const std::shared_ptr<OfiConnection> self = shared_from_this();
  // What a read still brings would land in memory that is no longer ours.
  if (transfers_.reading() && !abandoned_) {
    if (peer_gone_ && OutOfPatience()) {
      domain_->RetireSoon(absl::UnavailableError(
          absl::StrCat("reads from ", info_.peer, ", which has ended, do not end; ",
                       domain_->provider().scheme, " is opened anew")));
    }
    return;
  }
  if (!std::exchange(said_bye_, true)) {
    side_.Write(NoteKind::kBye, outbox_.sent());
    side_.EndWriting();
    quiesce_deadline_ = absl::InfiniteFuture();
    transfers_.FailAll(reason_);
  }
  if (outbox_.peer_reads() && !peer_gone_ && !abandoned_) {
    if (!OutOfPatience()) return;
    if (!domain_->provider().one_sided) {
      domain_->RetireSoon(absl::UnavailableError(absl::StrCat(
          info_.peer, " stands still in the middle of reading memory that is wanted back; ",
          domain_->provider().scheme, " is opened anew")));
      return;
    }
  }
  Finish();
}

bool OfiConnection::OutOfPatience() {
  const absl::Time now = loop_->Now();
  if (quiesce_deadline_ == absl::InfiniteFuture()) quiesce_deadline_ = now + kQuiescePatience;
  loop_->WakeAt(quiesce_deadline_);
  return now >= quiesce_deadline_;
}

void OfiConnection::Finish() {
  if (std::exchange(finished_closing_, true)) return;
  ending_ = true;
  closing_ = true;
  side_.Close();
  domain_->RemoveUser(id_, this);
  domain_->DropPeer(peer_address_);
  RingQueue<SendOp> rest;
  outbox_.TakeAll(rest);
  queue_.Close(rest, reason_);
  loop_->Unregister(this);
  const std::shared_ptr<Receiver> receiver = std::move(receiver_);
  if (receiver != nullptr) receiver->OnClosed(reason_);
}

}  // namespace tideway::libfabric
