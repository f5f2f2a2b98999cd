#include "transports/tcp/connection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "transports/tcp/buffer_view.h"
#include "transports/tcp/newcomers.h"
#include "transports/tcp/socket_options.h"

namespace tideway::tcp {
namespace {

// Up to this size a message may be written by the thread that sends it: copying it takes about as long as waking
// another thread.
constexpr size_t kDirectBytesMax = size_t{32} << 10;

BufferView<asio::const_buffer> View(absl::Span<const asio::const_buffer> parts) {
  return {parts.data(), parts.data() + parts.size()};
}

std::array<asio::mutable_buffer, 2> Buffers(const std::array<absl::Span<std::byte>, 2>& places) {
  return {asio::mutable_buffer(places[0].data(), places[0].size()),
          asio::mutable_buffer(places[1].data(), places[1].size())};
}

}  // namespace

std::string EndpointText(const asio::ip::tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  const bool ipv6 = endpoint.address().is_v6();
  return absl::StrCat(ipv6 ? "[" : "", host, ipv6 ? "]:" : ":", endpoint.port());
}

absl::StatusOr<ConnectionInfo> PrepareSocket(asio::ip::tcp::socket& socket, size_t streams) {
  asio::error_code error;
  socket.non_blocking(true, error);
  ConnectionInfo info;
  info.transport = "tcp";
  info.local = EndpointText(socket.local_endpoint(error));
  info.peer = EndpointText(socket.remote_endpoint(error));
  if (error)
    return absl::UnavailableError(absl::StrCat("the peer is gone again: ", error.message()));
  ApplyConnectionOptions(socket.native_handle());
  info.details = Describe(socket.native_handle());
  info.details["streams"] = absl::StrCat(streams);
  info.details["one_sided"] = "missing: TCP has no reads of a peer's memory";
  return info;
}

absl::StatusOr<std::shared_ptr<TcpConnection>> TcpConnection::Create(std::shared_ptr<Loop> loop,
                                                                     asio::ip::tcp::socket socket) {
  absl::StatusOr<ConnectionInfo> info = PrepareSocket(socket, 1);
  if (!info.ok()) return info.status();
  auto connection =
      std::make_shared<TcpConnection>(std::move(loop), std::move(socket), *std::move(info));
  return Registered(std::move(connection));
}

TcpConnection::TcpConnection(std::shared_ptr<Loop> loop, asio::ip::tcp::socket socket,
                             ConnectionInfo info)
    : QueuedConnection(std::move(loop), std::move(info)),
      direct_socket_(socket.native_handle()),
      socket_(std::move(socket)) {}

bool TcpConnection::SendDirectly(SendOp& op) {
  // From a callback it is better to collect: one write then takes all that the callback sends.
  if (op.bytes() > kDirectBytesMax || loop_->InLoopThread()) return false;
  if (closing_ || op.deadline <= loop_->executor().Now() || !queue_.TryOwn(op)) return false;
  Done refused;
  {
    absl::MutexLock lock(&direct_mutex_);
    if (direct_socket_ < 0) {
      refused = std::move(op.done);
    } else {
      direct_written_ = WriteNow(direct_socket_, op);
      direct_op_ = std::move(op);
    }
  }
  if (refused) {
    FailSend(std::move(refused), absl::CancelledError("the connection is closed"));
    return true;
  }
  asio::post(loop_->io(), WithMemory(direct_memory_, [self = Self()] { self->OnSentDirectly(); }));
  return true;
}

void TcpConnection::OnSentDirectly() {
  size_t written = 0;
  {
    absl::MutexLock lock(&direct_mutex_);
    if (!direct_op_.has_value()) return;  // closed
    written = direct_written_;
    arriving_.push_back(*std::move(direct_op_));
    direct_op_.reset();
  }
  SendOp op = arriving_.pop_front();
  queue_.Disown();
  if (written == kPrefixBytes + op.bytes()) {
    finished_.push_back(std::move(op));
    FinishSends();
  } else {
    ArmDeadline(op.deadline);
    writer_.PushStarted(std::move(op), written);
  }
  Flush();
}

void TcpConnection::WriteOut() {
  if (!writing_) StartWrite();
}

void TcpConnection::StartWrite() {
  if (writer_.empty() || write_failed_) return;
  writing_ = true;
  if (writer_.InLargeMessage()) {
    loop_->writes().Ask([self = Self()] { self->WriteInTurn(); });
    return;
  }
  socket_->async_write_some(
      View(writer_.Gather()),
      WithMemory(write_memory_, [self = Self()](const asio::error_code& error, size_t bytes) {
        self->OnWritten(error, bytes);
        if (!self->writing_ && !self->closed()) self->StartWrite();
      }));
}

void TcpConnection::WriteInTurn() {
  if (closed()) return loop_->writes().Pass();
  asio::error_code error;
  const auto parts = View(writer_.Gather());
  const size_t bytes = socket_->write_some(parts, error);
  const bool full =
      error == asio::error::would_block || (!error && bytes < asio::buffer_size(parts));
  const size_t messages = writer_.ops().size();
  OnWritten(error == asio::error::would_block ? asio::error_code() : error, bytes);
  const bool going_on = !full && !closed() && !write_failed_ && writer_.ops().size() == messages;
  if (going_on) {
    writing_ = true;
    loop_->writes().Again([self = Self()] { self->WriteInTurn(); });
    return;
  }
  loop_->writes().Pass();
  if (closed() || write_failed_) return;
  if (!full) return StartWrite();
  writing_ = true;
  socket_->async_wait(asio::ip::tcp::socket::wait_write,
                      WithMemory(write_memory_, [self = Self()](const asio::error_code&) {
                        self->writing_ = false;
                        if (!self->closed()) self->StartWrite();
                      }));
}

void TcpConnection::OnWritten(const asio::error_code& error, size_t bytes) {
  writing_ = false;
  if (closed()) return;
  if (error) {
    // The reading side learns of it too, after it has read what the peer still said: that ends the
    // connection.
    write_failed_ = true;
    if (receiver_ == nullptr) CloseOnLoop(ReasonFor(error));
    return;
  }
  writer_.Advance(bytes, finished_);
  FinishSends();
}

void TcpConnection::Start(std::shared_ptr<Receiver> receiver) {
  receiver_ = std::move(receiver);
  if (!hand_over_) {
    StartRead();
    return;
  }
  socket_->async_wait(asio::ip::tcp::socket::wait_read, [self = Self()](const asio::error_code&) {
    if (!self->closed() && !self->closing_) self->OnFirstBytes();
  });
}

void TcpConnection::OnFirstBytes() {
  const HandOver hand_over = std::exchange(hand_over_, nullptr);
  // What was sent can't be taken along.
  if (!writing_ && writer_.empty() && GreetingIsNext(socket_->native_handle())) {
    {
      absl::MutexLock lock(&direct_mutex_);
      direct_socket_ = -1;
    }
    if (hand_over(*socket_)) {
      CloseOnLoop(absl::CancelledError("the peer goes on with several streams"));
    } else {
      CloseForStreamError(
          absl::UnavailableError("the peer greets with several streams, but the listener is gone"));
    }
    return;
  }
  StartRead();
}

void TcpConnection::StartRead() {
  if (reader_.InLargePayload()) {
    loop_->reads().Ask([self = Self()] { self->ReadInTurn(); });
    return;
  }
  socket_->async_read_some(
      Buffers(reader_.Prepare()),
      WithMemory(read_memory_, [self = Self()](const asio::error_code& error, size_t bytes) {
        if (self->OnRead(error, bytes)) self->StartRead();
      }));
}

void TcpConnection::ReadInTurn() {
  if (closed() || closing_) return loop_->reads().Pass();
  asio::error_code error;
  const auto places = Buffers(reader_.Prepare());
  const size_t bytes = socket_->read_some(places, error);
  const bool drained = error == asio::error::would_block;
  const bool more = drained || OnRead(error, bytes);
  if (more && !drained && reader_.InLargePayload()) {
    loop_->reads().Again([self = Self()] { self->ReadInTurn(); });
    return;
  }
  loop_->reads().Pass();
  if (!more) return;
  if (!drained) return StartRead();
  socket_->async_wait(asio::ip::tcp::socket::wait_read,
                      WithMemory(read_memory_, [self = Self()](const asio::error_code&) {
                        if (!self->closed() && !self->closing_) self->StartRead();
                      }));
}

bool TcpConnection::OnRead(const asio::error_code& error, size_t bytes) {
  if (closed() || closing_) return false;  // closing: its task is on the way
  if (error) {
    CloseOnLoop(ReasonFor(error));
    return false;
  }
  const absl::Status status = reader_.Consume(bytes, *receiver_, closing_);
  if (!status.ok()) {
    CloseForStreamError(status);
    return false;
  }
  if (closing_) return false;
  Flush();  // what the callbacks sent goes out before anything else is waited for
  return !closed();
}

void TcpConnection::CloseOnLoop(const absl::Status& reason) {
  const std::shared_ptr<TcpConnection> self = Self();
  if (!BeginClosing()) return;
  {
    absl::MutexLock lock(&direct_mutex_);
    direct_socket_ = -1;
    if (direct_op_.has_value()) writer_.Push(*std::move(direct_op_));
    direct_op_.reset();
  }
  asio::error_code ignored;
  socket_->close(ignored);
  socket_.reset();
  reader_.Fail(reason);
  FinishClosing(writer_.ops(), reason);
}

}  // namespace tideway::tcp
