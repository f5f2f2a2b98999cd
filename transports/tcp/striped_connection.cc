#include "transports/tcp/striped_connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "transports/tcp/buffer_view.h"
#include "transports/tcp/connection.h"

namespace tideway::tcp {
namespace {

// How long the other streams may stay silent after the peer has ended one.
constexpr std::chrono::seconds kRestPatience(10);

}  // namespace

absl::StatusOr<std::shared_ptr<StripedConnection>> StripedConnection::Create(
    std::shared_ptr<Loop> loop, std::vector<Socket> sockets) {
  ConnectionInfo info;
  // The last one is the first, whose addresses are the connection's.
  for (size_t i = sockets.size(); i-- > 0;) {
    absl::StatusOr<ConnectionInfo> one = PrepareSocket(sockets[i], sockets.size());
    if (!one.ok()) return one.status();
    info = *std::move(one);
  }
  auto connection =
      std::make_shared<StripedConnection>(std::move(loop), std::move(sockets), std::move(info));
  if (connection->loop_->Register(connection)) return connection;
  connection->CloseOnLoop(absl::CancelledError("the transport was stopped"));
  return absl::CancelledError("the transport was stopped");
}

StripedConnection::StripedConnection(std::shared_ptr<Loop> loop, std::vector<Socket> sockets,
                                     ConnectionInfo info)
    : loop_(std::move(loop)),
      info_(std::move(info)),
      sender_(sockets.size()),
      inbound_(sockets.size()),
      timer_(loop_->io()) {
  for (Socket& socket : sockets) streams_.emplace_back(std::move(socket));
}

void StripedConnection::Send(Message message, absl::Time deadline, Done done) {
  SendOp op;
  op.payload_bytes = message.payload_bytes();
  op.message = std::move(message);
  op.deadline = deadline;
  op.done = std::move(done);
  bool wake = false;
  const absl::Status status = queue_.Push(op, wake);
  if (!status.ok()) {
    loop_->Post([done = std::move(op.done), status]() mutable { std::move(done)(status); });
    return;
  }
  if (!wake) return;
  asio::post(loop_->io(),
             WithMemory(flush_memory_, [self = shared_from_this()] { self->OnWoken(); }));
}

void StripedConnection::Close(absl::Status reason) {
  if (closing_.exchange(true)) return;
  if (reason.ok()) reason = absl::CancelledError("the connection was closed on this side");
  loop_->Post(
      [self = shared_from_this(), reason = std::move(reason)] { self->CloseOnLoop(reason); });
}

void StripedConnection::OnWoken() {
  if (closing_) return;  // what waits is about to be failed
  queue_.Take(arriving_);
  PushArriving();
}

void StripedConnection::Flush() {
  if (closing_) return;
  queue_.TakeUnasked(arriving_);
  PushArriving();
}

void StripedConnection::PushArriving() {
  absl::Time earliest = absl::InfiniteFuture();
  while (!arriving_.empty()) {
    earliest = std::min(earliest, arriving_.front().deadline);
    sender_.Push(arriving_.pop_front());
  }
  ArmDeadline(earliest);
  StartWrites();
}

void StripedConnection::StartWrites() {
  for (size_t i = 0; i < streams_.size(); ++i) StartWrite(i);
  // The others have taken chunks, so perhaps a further message may begin.
  StartWrite(0);
}

void StripedConnection::StartWrite(size_t index) {
  Stream& stream = streams_[index];
  if (stream.writing || stream.write_failed) return;
  const absl::Span<const asio::const_buffer> parts = sender_.Gather(index);
  if (parts.empty()) return;
  stream.writing = true;
  stream.socket.async_write_some(
      BufferView<asio::const_buffer>{parts.data(), parts.data() + parts.size()},
      WithMemory(stream.write_memory,
                 [self = shared_from_this(), index](const asio::error_code& error, size_t bytes) {
                   self->OnWritten(index, error, bytes);
                 }));
}

void StripedConnection::OnWritten(size_t index, const asio::error_code& error, size_t bytes) {
  Stream& stream = streams_[index];
  stream.writing = false;
  if (closed_) return;
  if (error) {
    // The reading side learns of it too, after it has read what the peer still said: that ends the
    // connection.
    stream.write_failed = true;
    if (!stream.reading && !stream.ended) CloseOnLoop(ReasonFor(error));
    return;
  }
  sender_.Advance(index, bytes, finished_);
  FinishSends();
  StartWrites();
}

void StripedConnection::FinishSends() {
  if (finished_.empty()) return;
  size_t bytes = 0;
  for (size_t i = 0; i < finished_.size(); ++i) bytes += finished_[i].bytes();
  queue_.Release(bytes, finished_.size());
  while (!finished_.empty()) {
    SendOp op = finished_.pop_front();
    std::move(op.done)(absl::OkStatus());
  }
}

void StripedConnection::Start(std::shared_ptr<Receiver> receiver) {
  receiver_ = std::move(receiver);
  StartReads();
}

void StripedConnection::StartReads() {
  for (size_t i = 0; i < streams_.size(); ++i) StartRead(i);
}

void StripedConnection::StartRead(size_t index) {
  Stream& stream = streams_[index];
  if (stream.reading || stream.ended || inbound_.Waits(index)) return;
  stream.reading = true;
  const auto places = inbound_.Prepare(index);
  const std::array<asio::mutable_buffer, 2> buffers = {
      asio::mutable_buffer(places[0].data(), places[0].size()),
      asio::mutable_buffer(places[1].data(), places[1].size())};
  stream.socket.async_read_some(
      buffers, WithMemory(stream.read_memory, [self = shared_from_this(), index](
                                                  const asio::error_code& error, size_t bytes) {
        self->OnRead(index, error, bytes);
      }));
}

void StripedConnection::OnRead(size_t index, const asio::error_code& error, size_t bytes) {
  streams_[index].reading = false;
  if (closed_ || closing_) return;  // closing: its task is on the way
  if (error == asio::error::eof) {
    OnEnded(index);
    return;
  }
  if (error) {
    CloseOnLoop(ReasonFor(error));
    return;
  }
  ++reads_;
  const absl::Status status = inbound_.Consume(index, bytes, *receiver_, closing_);
  if (!status.ok()) {
    loop_->Log(LogLevel::kWarning, absl::StrCat("tcp: closing the connection with ", info_.peer,
                                                ": ", status.message()));
    CloseOnLoop(status);
  } else if (!closing_) {
    Flush();  // what the callbacks sent goes out before anything else is waited for
    StartReads();
    CloseIfNothingIsRead();
  }
}

void StripedConnection::OnEnded(size_t index) {
  streams_[index].ended = true;
  if (!rest_timer_.has_value()) AwaitRest();
  CloseIfNothingIsRead();
}

void StripedConnection::CloseIfNothingIsRead() {
  const bool any = std::any_of(streams_.begin(), streams_.end(),
                               [](const Stream& stream) { return stream.reading; });
  if (!any && rest_timer_.has_value()) CloseOnLoop(ReasonFor(asio::error::eof));
}

void StripedConnection::AwaitRest() {
  rest_timer_.emplace(loop_->io());
  rest_timer_->expires_after(kRestPatience);
  rest_timer_->async_wait(
      [self = shared_from_this(), seen = reads_](const asio::error_code& cancelled) {
        if (cancelled || self->closed_) return;
        if (self->reads_ != seen) {
          self->AwaitRest();
        } else {
          self->CloseOnLoop(self->ReasonFor(asio::error::eof));
        }
      });
}

absl::Status StripedConnection::ReasonFor(const asio::error_code& error) const {
  const char* where = inbound_.InMidMessage() ? " in mid-message" : "";
  if (error == asio::error::eof) {
    return absl::UnavailableError(
        absl::StrCat("the peer ", info_.peer, " closed the connection", where));
  }
  return absl::UnavailableError(
      absl::StrCat("the connection with ", info_.peer, " broke", where, ": ", error.message()));
}

// As in connection.cc: the timer stays at the earliest deadline that it was ever set to.
void StripedConnection::ArmDeadline(absl::Time deadline) {
  if (deadline >= armed_deadline_) return;
  armed_deadline_ = deadline;
  timer_->expires_after(absl::ToChronoNanoseconds(
      std::clamp(deadline - loop_->executor().Now(), absl::ZeroDuration(), absl::Hours(24))));
  timer_->async_wait(
      [self = shared_from_this()](const asio::error_code& error) { self->OnDeadline(error); });
}

void StripedConnection::OnDeadline(const asio::error_code& error) {
  if (error || closed_) return;  // moved, or closed
  armed_deadline_ = absl::InfiniteFuture();
  const absl::Time earliest = sender_.EarliestDeadline();
  if (earliest > loop_->executor().Now()) {
    ArmDeadline(earliest);
    return;
  }
  CloseOnLoop(absl::DeadlineExceededError(absl::StrCat(
      "a message to ", info_.peer, " was not out by its deadline; the connection is closed")));
}

void StripedConnection::CloseOnLoop(const absl::Status& reason) {
  if (std::exchange(closed_, true)) return;
  const std::shared_ptr<StripedConnection> self = shared_from_this();
  closing_ = true;
  asio::error_code ignored;
  for (Stream& stream : streams_) stream.socket.close(ignored);
  timer_.reset();
  rest_timer_.reset();
  inbound_.Fail(reason);
  RingQueue<SendOp> unsent;
  sender_.TakeAll(unsent);
  queue_.Close(unsent, reason);
  loop_->Unregister(this);
  const std::shared_ptr<Receiver> receiver = std::move(receiver_);
  if (receiver != nullptr) receiver->OnClosed(reason);
}

}  // namespace tideway::tcp
