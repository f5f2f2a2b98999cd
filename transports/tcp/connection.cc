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
  if (connection->loop_->Register(connection)) return connection;
  connection->CloseOnLoop(absl::CancelledError("the transport was stopped"));
  return absl::CancelledError("the transport was stopped");
}

TcpConnection::TcpConnection(std::shared_ptr<Loop> loop, asio::ip::tcp::socket socket,
                             ConnectionInfo info)
    : loop_(std::move(loop)),
      info_(std::move(info)),
      direct_socket_(socket.native_handle()),
      socket_(std::move(socket)),
      timer_(loop_->io()) {}

void TcpConnection::Send(Message message, absl::Time deadline, Done done) {
  SendOp op;
  op.payload_bytes = message.payload_bytes();
  op.message = std::move(message);
  op.deadline = deadline;
  op.done = std::move(done);
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

void TcpConnection::FailSend(Done done, const absl::Status& status) {
  loop_->Post([done = std::move(done), status]() mutable { std::move(done)(status); });
}

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
  asio::post(loop_->io(),
             WithMemory(direct_memory_, [self = shared_from_this()] { self->OnSentDirectly(); }));
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

void TcpConnection::Close(absl::Status reason) {
  if (closing_.exchange(true)) return;
  if (reason.ok()) reason = absl::CancelledError("the connection was closed on this side");
  loop_->Post(
      [self = shared_from_this(), reason = std::move(reason)] { self->CloseOnLoop(reason); });
}

void TcpConnection::OnWoken() {
  if (closing_) return;  // what waits is about to be failed
  queue_.Take(arriving_);
  WriteArriving();
}

void TcpConnection::Flush() {
  if (closing_) return;
  queue_.TakeUnasked(arriving_);
  WriteArriving();
}

void TcpConnection::WriteArriving() {
  absl::Time earliest = absl::InfiniteFuture();
  while (!arriving_.empty()) {
    earliest = std::min(earliest, arriving_.front().deadline);
    writer_.Push(arriving_.pop_front());
  }
  ArmDeadline(earliest);
  if (!writing_) StartWrite();
}

void TcpConnection::StartWrite() {
  if (writer_.empty() || write_failed_) return;
  writing_ = true;
  const absl::Span<const asio::const_buffer> parts = writer_.Gather();
  socket_->async_write_some(
      BufferView<asio::const_buffer>{parts.data(), parts.data() + parts.size()},
      WithMemory(write_memory_,
                 [self = shared_from_this()](const asio::error_code& error, size_t bytes) {
                   self->OnWritten(error, bytes);
                 }));
}

void TcpConnection::OnWritten(const asio::error_code& error, size_t bytes) {
  writing_ = false;
  if (!socket_.has_value()) return;
  if (error) {
    // The reading side learns of it too, after it has read what the peer still said: that ends the
    // connection.
    write_failed_ = true;
    if (receiver_ == nullptr) CloseOnLoop(ReasonFor(error));
    return;
  }
  writer_.Advance(bytes, finished_);
  FinishSends();
  StartWrite();
}

void TcpConnection::FinishSends() {
  if (finished_.empty()) return;
  size_t bytes = 0;
  for (size_t i = 0; i < finished_.size(); ++i) bytes += finished_[i].bytes();
  queue_.Release(bytes, finished_.size());
  while (!finished_.empty()) {
    SendOp op = finished_.pop_front();
    std::move(op.done)(absl::OkStatus());
  }
}

void TcpConnection::Start(std::shared_ptr<Receiver> receiver) {
  receiver_ = std::move(receiver);
  if (!hand_over_) {
    StartRead();
    return;
  }
  socket_->async_wait(asio::ip::tcp::socket::wait_read,
                      [self = shared_from_this()](const asio::error_code&) {
                        if (self->socket_.has_value() && !self->closing_) self->OnFirstBytes();
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
  const auto places = reader_.Prepare();
  const std::array<asio::mutable_buffer, 2> buffers = {
      asio::mutable_buffer(places[0].data(), places[0].size()),
      asio::mutable_buffer(places[1].data(), places[1].size())};
  socket_->async_read_some(
      buffers, WithMemory(read_memory_,
                          [self = shared_from_this()](const asio::error_code& error, size_t bytes) {
                            self->OnRead(error, bytes);
                          }));
}

void TcpConnection::OnRead(const asio::error_code& error, size_t bytes) {
  if (!socket_.has_value() || closing_) return;  // closing: its task is on the way
  if (error) {
    CloseOnLoop(ReasonFor(error));
    return;
  }
  const absl::Status status = reader_.Consume(bytes, *receiver_, closing_);
  if (!status.ok()) {
    CloseForStreamError(status);
  } else if (!closing_) {
    Flush();  // what the callbacks sent goes out before anything else is waited for
    StartRead();
  }
}

absl::Status TcpConnection::ReasonFor(const asio::error_code& error) const {
  const char* where = reader_.InMidMessage() ? " in mid-message" : "";
  if (error == asio::error::eof) {
    return absl::UnavailableError(
        absl::StrCat("the peer ", info_.peer, " closed the connection", where));
  }
  return absl::UnavailableError(
      absl::StrCat("the connection with ", info_.peer, " broke", where, ": ", error.message()));
}

void TcpConnection::CloseForStreamError(const absl::Status& status) {
  loop_->Log(LogLevel::kWarning,
             absl::StrCat("tcp: closing the connection with ", info_.peer, ": ", status.message()));
  CloseOnLoop(status);
}

// The timer stays at the earliest deadline that it was ever set to; when it fires, it is set to
// what is the earliest then. So messages with rising deadlines do not move it.
void TcpConnection::ArmDeadline(absl::Time deadline) {
  if (deadline >= armed_deadline_) return;
  armed_deadline_ = deadline;
  timer_->expires_after(absl::ToChronoNanoseconds(
      std::clamp(deadline - loop_->executor().Now(), absl::ZeroDuration(), absl::Hours(24))));
  timer_->async_wait(
      [self = shared_from_this()](const asio::error_code& error) { self->OnDeadline(error); });
}

void TcpConnection::OnDeadline(const asio::error_code& error) {
  if (error || !socket_.has_value()) return;  // moved, or closed
  armed_deadline_ = absl::InfiniteFuture();
  const absl::Time earliest = writer_.EarliestDeadline();
  if (earliest > loop_->executor().Now()) {
    ArmDeadline(earliest);
    return;
  }
  CloseOnLoop(absl::DeadlineExceededError(absl::StrCat(
      "a message to ", info_.peer, " was not out by its deadline; the connection is closed")));
}

void TcpConnection::CloseOnLoop(const absl::Status& reason) {
  if (!socket_.has_value()) return;
  const std::shared_ptr<TcpConnection> self = shared_from_this();
  closing_ = true;
  {
    absl::MutexLock lock(&direct_mutex_);
    direct_socket_ = -1;
    if (direct_op_.has_value()) writer_.Push(*std::move(direct_op_));
    direct_op_.reset();
  }
  asio::error_code ignored;
  socket_->close(ignored);
  socket_.reset();
  timer_.reset();
  reader_.Fail(reason);
  queue_.Close(writer_.ops(), reason);
  loop_->Unregister(this);
  const std::shared_ptr<Receiver> receiver = std::move(receiver_);
  if (receiver != nullptr) receiver->OnClosed(reason);
}

}  // namespace tideway::tcp
