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
  return Registered(std::move(connection));
}

StripedConnection::StripedConnection(std::shared_ptr<Loop> loop, std::vector<Socket> sockets,
                                     ConnectionInfo info)
    : QueuedConnection(std::move(loop), std::move(info)),
      sender_(sockets.size()),
      inbound_(sockets.size()) {
  for (Socket& socket : sockets) streams_.emplace_back(std::move(socket));
}

void StripedConnection::WriteOut() {
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
  stream.socket->async_write_some(
      BufferView<asio::const_buffer>{parts.data(), parts.data() + parts.size()},
      WithMemory(stream.write_memory,
                 [self = Self(), index](const asio::error_code& error, size_t bytes) {
                   self->OnWritten(index, error, bytes);
                 }));
}

void StripedConnection::OnWritten(size_t index, const asio::error_code& error, size_t bytes) {
  Stream& stream = streams_[index];
  stream.writing = false;
  if (closed()) return;
  if (error) {
    // The reading side learns of it too, after it has read what the peer still said: that ends the
    // connection.
    stream.write_failed = true;
    if (!stream.reading && !stream.ended) CloseOnLoop(ReasonFor(error));
    return;
  }
  sender_.Advance(index, bytes, finished_);
  FinishSends();
  WriteOut();
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
  stream.socket->async_read_some(
      buffers, WithMemory(stream.read_memory,
                          [self = Self(), index](const asio::error_code& error, size_t bytes) {
                            self->OnRead(index, error, bytes);
                          }));
}

void StripedConnection::OnRead(size_t index, const asio::error_code& error, size_t bytes) {
  streams_[index].reading = false;
  if (closed() || closing_) return;  // closing: its task is on the way
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
    CloseForStreamError(status);
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
  rest_timer_->async_wait([self = Self(), seen = reads_](const asio::error_code& cancelled) {
    if (cancelled || self->closed()) return;
    if (self->reads_ != seen) {
      self->AwaitRest();
    } else {
      self->CloseOnLoop(self->ReasonFor(asio::error::eof));
    }
  });
}

void StripedConnection::CloseOnLoop(const absl::Status& reason) {
  const std::shared_ptr<StripedConnection> self = Self();
  if (!BeginClosing()) return;
  asio::error_code ignored;
  for (Stream& stream : streams_) {
    stream.socket->close(ignored);
    stream.socket.reset();
  }
  rest_timer_.reset();
  inbound_.Fail(reason);
  RingQueue<SendOp> unsent;
  sender_.TakeAll(unsent);
  FinishClosing(unsent, reason);
}

}  // namespace tideway::tcp
