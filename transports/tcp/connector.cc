#include "transports/tcp/connector.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "transports/tcp/connection.h"
#include "transports/tcp/striped_connection.h"

namespace tideway::tcp {

using asio::ip::tcp;

Connector::Connector(std::shared_ptr<Loop> loop, Uri uri, Params params,
                     std::shared_ptr<Receiver> receiver, ConnectDone done)
    : loop_(std::move(loop)),
      uri_(std::move(uri)),
      params_(std::move(params)),
      receiver_(std::move(receiver)),
      done_(std::move(done)) {}

void Connector::Start(absl::Time deadline) {
  if (!loop_->Register(shared_from_this())) {
    Finish(absl::CancelledError("the transport was stopped"));
    return;
  }
  if (deadline <= loop_->executor().Now()) {
    FinishLate();
    return;
  }
  if (deadline < absl::InfiniteFuture()) {
    timer_.emplace(loop_->io());
    timer_->expires_after(absl::ToChronoNanoseconds(std::clamp(
        deadline - loop_->executor().Now(), absl::ZeroDuration(), absl::Hours(24 * 365))));
    timer_->async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->FinishLate();
    });
  }
  asio::error_code not_numeric;
  const asio::ip::address address = asio::ip::make_address(uri_.host, not_numeric);
  if (not_numeric) {
    Resolve();
    return;
  }
  endpoints_ = {tcp::endpoint(address, *uri_.port)};
  TryNext();
}

void Connector::FinishLate() {
  Finish(absl::DeadlineExceededError(
      absl::StrCat("no connection with ", uri_.ToString(), " by the deadline")));
}

void Connector::Resolve() {
  resolver_.emplace(loop_->io());
  resolver_->async_resolve(
      uri_.host, absl::StrCat(*uri_.port), tcp::resolver::numeric_service,
      [self = shared_from_this()](const asio::error_code& error,
                                  const tcp::resolver::results_type& results) {
        if (!self->done_) return;
        if (error) {
          self->Finish(absl::UnavailableError(absl::StrCat(
              "the name '", self->uri_.host, "' leads to no address: ", error.message())));
          return;
        }
        for (const auto& result : results) self->endpoints_.push_back(result.endpoint());
        self->TryNext();
      });
}

void Connector::TryNext() {
  if (next_endpoint_ == endpoints_.size()) {
    Finish(absl::UnavailableError(absl::StrCat("can't connect to ", uri_.ToString(), ": ",
                                               last_error_, "; is the server running there?")));
    return;
  }
  const tcp::endpoint endpoint = endpoints_[next_endpoint_++];
  asio::error_code error;
  socket_.emplace(loop_->io());
  socket_->open(endpoint.protocol(), error);
  if (error) {
    last_error_ = error.message();
    TryNext();
    return;
  }
  const absl::Status applied =
      ApplyParams(socket_->native_handle(), params_, endpoint.address().is_loopback());
  if (!applied.ok()) {
    Finish(applied);
    return;
  }
  socket_->async_connect(endpoint, [self = shared_from_this()](const asio::error_code& result) {
    if (!self->done_) return;
    if (!result) {
      self->OnConnected();
      return;
    }
    self->last_error_ = result.message();
    self->TryNext();
  });
}

void Connector::OnConnected() {
  const size_t streams = params_.streams > 0 ? static_cast<size_t>(params_.streams)
                                             : StreamsFor(RoundTrip(socket_->native_handle()));
  if (streams == 1) {
    HandOut(TcpConnection::Create(loop_, *std::move(socket_)));
  } else {
    JoinStreams(streams);
  }
}

void Connector::JoinStreams(size_t streams) {
  token_ = {loop_->executor().Random(), loop_->executor().Random()};
  streams_missing_ = streams;
  streams_.push_back(*std::move(socket_));
  for (size_t i = 1; i < streams; ++i) streams_.emplace_back(loop_->io());
  OnJoined(0, {});
  for (size_t i = 1; i < streams && done_; ++i) JoinStream(i);
}

void Connector::JoinStream(size_t index) {
  const tcp::endpoint& endpoint = endpoints_[next_endpoint_ - 1];
  asio::error_code error;
  streams_[index].open(endpoint.protocol(), error);
  if (error) {
    OnJoined(index, error);
    return;
  }
  const absl::Status applied =
      ApplyParams(streams_[index].native_handle(), params_, endpoint.address().is_loopback());
  if (!applied.ok()) {
    Finish(applied);
    return;
  }
  streams_[index].async_connect(endpoint,
                                [self = shared_from_this(), index](const asio::error_code& result) {
                                  if (self->done_) self->OnJoined(index, result);
                                });
}

void Connector::OnJoined(size_t index, const asio::error_code& error) {
  if (error) {
    Finish(absl::UnavailableError(absl::StrCat("can't connect stream ", index, " to ",
                                               uri_.ToString(), ": ", error.message(),
                                               "; streams=1 needs no further ones")));
    return;
  }
  const auto greeting = EncodeGreeting({streams_.size(), index, token_});
  // It is the first that this socket sends: there is room for it.
  if (send(streams_[index].native_handle(), greeting.data(), greeting.size(),
           MSG_NOSIGNAL | MSG_DONTWAIT) != static_cast<ssize_t>(greeting.size())) {
    Finish(absl::UnavailableError(
        absl::StrCat("the peer at ", uri_.ToString(), " was gone before it could be greeted")));
    return;
  }
  if (--streams_missing_ > 0) return;
  HandOut(StripedConnection::Create(loop_, std::exchange(streams_, {})));
}

template <typename AnyConnection>
void Connector::HandOut(absl::StatusOr<std::shared_ptr<AnyConnection>> connection) {
  if (!connection.ok()) {
    Finish(connection.status());
    return;
  }
  std::shared_ptr<Receiver> receiver = std::move(receiver_);
  ConnectDone done = std::exchange(done_, nullptr);
  Finish(absl::OkStatus());
  std::move(done)(std::shared_ptr<Connection>(*connection));
  (*connection)->Start(std::move(receiver));
}

void Connector::Finish(absl::Status status) {
  timer_.reset();
  if (resolver_.has_value()) resolver_->cancel();
  resolver_.reset();
  socket_.reset();
  streams_.clear();
  receiver_.reset();
  if (done_) {
    // Not inside Start: that may run inside no callback, but a failure must still come later than
    // what caused it.
    ConnectDone done = std::exchange(done_, nullptr);
    std::move(done)(std::move(status));
  }
  loop_->Unregister(this);
}

}  // namespace tideway::tcp
