#include "transports/ucx/side_channel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/read.hpp"
#include "asio/write.hpp"

namespace tideway::ucx {
namespace {

// A peer whose machine has vanished is given up after about a minute.
constexpr int kProbeAfterSeconds = 30;
constexpr int kProbeIntervalSeconds = 10;
constexpr int kProbes = 3;

void SetInt(int socket, int level, int option, int value) {
  setsockopt(socket, level, option, &value, sizeof(value));
}

}  // namespace

std::string EndpointText(const asio::ip::tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  const bool ipv6 = endpoint.address().is_v6();
  return absl::StrCat(ipv6 ? "[" : "", host, ipv6 ? "]:" : ":", endpoint.port());
}

SideChannel::SideChannel(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {
  asio::error_code error;
  local_ = EndpointText(socket_->local_endpoint(error));
  peer_ = EndpointText(socket_->remote_endpoint(error));
  const int descriptor = socket_->native_handle();
  SetInt(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  SetInt(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetInt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, kProbeAfterSeconds);
  SetInt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, kProbeIntervalSeconds);
  SetInt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
}

void SideChannel::Write(FrameType type, absl::string_view body) {
  if (!socket_.has_value()) return;
  writing_.push_back(EncodeFrame(type, body));
  // A small frame on a fresh socket goes out at once; so Close right after it loses nothing.
  if (writing_.size() == 1) {
    asio::error_code error;
    socket_->non_blocking(true, error);
    const size_t sent = socket_->write_some(asio::buffer(writing_.front()), error);
    writing_.front().erase(0, sent);
    if (writing_.front().empty()) {
      writing_.pop_front();
    } else {
      WriteNext();
    }
  }
}

void SideChannel::WriteNext() {
  asio::async_write(*socket_, asio::buffer(writing_.front()),
                    [self = shared_from_this()](const asio::error_code& error, size_t) {
                      if (error || !self->socket_.has_value()) return;
                      self->writing_.pop_front();
                      if (!self->writing_.empty()) self->WriteNext();
                    });
}

void SideChannel::Read(OnFrame on_frame) {
  if (!socket_.has_value()) return;
  on_frame_ = std::move(on_frame);
  prefix_bytes_.fill({});  // a stream that ends in a prefix leaves the rest as it was
  asio::async_read(*socket_, asio::buffer(prefix_bytes_),
                   [self = shared_from_this()](const asio::error_code& error, size_t bytes) {
                     // A stranger may send less than a prefix and hang up.
                     if (error && bytes < 4) return self->Deliver(self->Broken(error));
                     absl::StatusOr<FramePrefix> prefix = DecodeFramePrefix(self->prefix_bytes_);
                     if (!prefix.ok()) {
                       return self->Deliver(absl::UnavailableError(
                           absl::StrCat(self->peer_, ": ", prefix.status().message())));
                     }
                     if (error) return self->Deliver(self->Broken(error));
                     if (!self->socket_.has_value()) return;
                     self->prefix_ = *prefix;
                     self->ReadBody();
                   });
}

void SideChannel::ReadBody() {
  body_.resize(prefix_.body_bytes);
  asio::async_read(*socket_, asio::buffer(body_),
                   [self = shared_from_this()](const asio::error_code& error, size_t) {
                     if (error) return self->Deliver(self->Broken(error));
                     const absl::Status status = CheckFrameBody(self->prefix_, self->body_);
                     if (!status.ok())
                       return self->Deliver(absl::UnavailableError(status.message()));
                     self->Deliver(Frame{self->prefix_.type, std::move(self->body_)});
                   });
}

void SideChannel::Deliver(absl::StatusOr<Frame> frame) {
  if (!socket_.has_value()) return;
  OnFrame on_frame = std::exchange(on_frame_, nullptr);
  if (on_frame) std::move(on_frame)(std::move(frame));
}

absl::Status SideChannel::Broken(const asio::error_code& error) const {
  if (error == asio::error::eof)
    return absl::UnavailableError(absl::StrCat("the peer ", peer_, " closed the connection"));
  return absl::UnavailableError(
      absl::StrCat("the connection with ", peer_, " broke: ", error.message()));
}

bool SideChannel::PeerIsGone() {
  if (!socket_.has_value()) return true;
  char byte = 0;
  const ssize_t bytes = recv(socket_->native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (bytes < 0) return errno != EAGAIN && errno != EINTR;
  return bytes == 0;
}

void SideChannel::Close() {
  on_frame_ = nullptr;
  if (!socket_.has_value()) return;
  asio::error_code ignored;
  socket_->shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.reset();
}

}  // namespace tideway::ucx
