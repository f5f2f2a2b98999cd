#include "transports/inproc/connection.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::inproc {
namespace {

// Messages that one connection moves before others have their turn.
constexpr int kMessagesPerTurn = 16;
constexpr int kReadsPerTurn = 16;

void CopyPayload(const Message& message, absl::Span<std::byte> destination) {
  for (absl::Span<const std::byte> part : message.payload) {
    if (!part.empty()) std::memcpy(destination.data(), part.data(), part.size());
    destination.remove_prefix(part.size());
  }
}

}  // namespace

InprocConnection::InprocConnection(std::shared_ptr<CallbackQueue> queue,
                                   std::shared_ptr<OpenEnds> open_ends,
                                   std::shared_ptr<ExposedTable> exposed, ConnectionInfo info)
    : callbacks_(std::move(queue)),
      open_ends_(std::move(open_ends)),
      exposed_(std::move(exposed)),
      info_(std::move(info)) {}

void InprocConnection::Join(const std::shared_ptr<InprocConnection>& a,
                            const std::shared_ptr<InprocConnection>& b) {
  a->peer_ = b;
  b->peer_ = a;
}

void InprocConnection::Open(std::shared_ptr<Receiver> receiver) {
  receiver_ = std::move(receiver);
  open_ends_->insert(shared_from_this());
}

void InprocConnection::Send(Message message, absl::Time deadline, Done done) {
  SendOp op(std::move(message), deadline, std::move(done));
  bool wake = false;
  const absl::Status status = queue_.Push(op, wake);
  if (!status.ok()) {
    callbacks_->Post([done = std::move(op.done), status]() mutable { std::move(done)(status); });
  } else if (wake) {
    callbacks_->Post([self = shared_from_this()] { self->Deliver(); });
  }
}

void InprocConnection::Close(absl::Status reason) {
  if (closing_.exchange(true)) return;
  if (reason.ok()) reason = absl::CancelledError("the connection was closed on this side");
  callbacks_->Post(
      [self = shared_from_this(), reason = std::move(reason)] { self->CloseNow(reason); });
}

void InprocConnection::Deliver() {
  if (closing_) return;
  queue_.Take(taken_);
  for (int i = 0; i < kMessagesPerTurn && !taken_.empty(); ++i) {
    if (!DeliverFront()) return;
  }
  if (!taken_.empty()) callbacks_->Post([self = shared_from_this()] { self->Deliver(); });
}

bool InprocConnection::DeliverFront() {
  if (closing_ || peer_->closing_) return false;
  SendOp& op = taken_.front();
  if (op.deadline < callbacks_->executor().Now()) {
    CloseNow(absl::DeadlineExceededError(absl::StrCat(
        "a message to ", info_.peer, " was not out by its deadline; the connection is closed")));
    return false;
  }
  absl::StatusOr<Landing> landing =
      peer_->receiver_->OnMessage(op.message.header, op.payload_bytes);
  absl::Status status = landing.status();
  if (landing.ok() && landing->destination.size() != op.payload_bytes) {
    status = absl::InternalError(absl::StrCat("the receiver gave ", landing->destination.size(),
                                              " bytes for a payload of ", op.payload_bytes));
    std::move(landing->done)(status);
  }
  if (!status.ok()) {
    peer_->CloseNow(status);
    return false;
  }
  CopyPayload(op.message, landing->destination);
  std::move(landing->done)(absl::OkStatus());
  FinishFront();
  return true;
}

void InprocConnection::FinishFront() {
  SendOp op = taken_.pop_front();
  queue_.Release(op.bytes(), 1);
  std::move(op.done)(absl::OkStatus());
}

absl::StatusOr<std::shared_ptr<ExposedMemory>> InprocConnection::Expose(
    absl::Span<const std::byte> memory) {
  if (closing_) return absl::CancelledError("the connection is closed");
  return exposed_->Expose(memory);
}

void InprocConnection::Read(absl::Span<const std::byte> descriptor, size_t offset,
                            absl::Span<std::byte> local, absl::Time deadline, OneSided::Done done) {
  ReadOp op;
  // One byte more than is allowed shows that it was too long.
  descriptor = descriptor.first(std::min(descriptor.size(), kMemoryDescriptorBytesMax + 1));
  op.descriptor.assign(descriptor.begin(), descriptor.end());
  op.offset = offset;
  op.local = local;
  op.deadline = deadline;
  op.done = std::move(done);
  bool wake = false;
  const absl::Status status = reads_.Push(op, wake);
  if (!status.ok()) {
    callbacks_->Post([done = std::move(op.done), status]() mutable { std::move(done)(status); });
  } else if (wake) {
    callbacks_->Post([self = shared_from_this()] { self->ServeReads(); });
  }
}

void InprocConnection::ServeReads() {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    if (closing_ || peer_->closing_) return;
    std::optional<ReadOp> op = reads_.Pop();
    if (!op.has_value() || !ServeRead(*std::move(op))) return;
  }
  callbacks_->Post([self = shared_from_this()] { self->ServeReads(); });
}

bool InprocConnection::ServeRead(ReadOp op) {
  if (op.deadline < callbacks_->executor().Now()) {
    const absl::Status late = absl::DeadlineExceededError(
        absl::StrCat("a read of memory of ", info_.peer,
                     " was not done by its deadline; the connection is closed"));
    closing_ = true;
    std::move(op.done)(late);
    CloseNow(late);
    return false;
  }
  const absl::Status status = exposed_->Copy(op.descriptor, op.offset, op.local);
  std::move(op.done)(status);
  return true;
}

void InprocConnection::CloseNow(const absl::Status& reason) {
  if (std::exchange(closed_, true)) return;
  const std::shared_ptr<InprocConnection> self = shared_from_this();
  closing_ = true;
  open_ends_->erase(self);
  reads_.Fail(reason, /*for_good=*/false);  // what their completions send is failed below
  queue_.Close(taken_, reason);
  reads_.Fail(reason, /*for_good=*/true);
  const std::shared_ptr<Receiver> receiver = std::move(receiver_);
  if (receiver != nullptr) receiver->OnClosed(reason);
  const std::shared_ptr<InprocConnection> peer = std::move(peer_);
  if (peer == nullptr) return;
  callbacks_->Post([peer] {
    peer->closing_ = true;
    peer->CloseNow(absl::UnavailableError(
        absl::StrCat("the peer ", peer->info_.peer, " closed the connection")));
  });
}

}  // namespace tideway::inproc
