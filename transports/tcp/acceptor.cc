#include "transports/tcp/acceptor.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "asio/ip/v6_only.hpp"
#include "transports/tcp/connection.h"
#include "transports/tcp/striped_connection.h"

namespace tideway::tcp {
namespace {

using asio::ip::tcp;

// How long accepting rests when the process has run out of file descriptors or memory.
constexpr std::chrono::milliseconds kPause(100);

}  // namespace

Acceptor::Acceptor(std::shared_ptr<Loop> loop, AcceptHandler accept)
    : loop_(std::move(loop)), accept_(std::move(accept)) {
  newcomers_ = std::make_shared<Newcomers>(
      loop_, Newcomers::Patience(),
      Newcomers::Callbacks{
          .on_plain = [this](tcp::socket socket) { OnPlain(std::move(socket)); },
          .on_streams =
              [this](std::vector<tcp::socket> sockets) { OnStreams(std::move(sockets)); }});
}

absl::Status Acceptor::Open(const Uri& uri, const Params& params) {
  expects_streams_ = params.streams > 1;
  asio::error_code error;
  const asio::ip::address address = asio::ip::make_address(uri.host, error);
  if (!error) return OpenAt(tcp::endpoint(address, *uri.port), uri, params);
  tcp::resolver resolver(loop_->io());
  const auto found =
      resolver.resolve(uri.host, absl::StrCat(*uri.port),
                       tcp::resolver::numeric_service | tcp::resolver::passive, error);
  if (error || found.empty()) {
    return absl::UnavailableError(
        absl::StrCat("the name '", uri.host, "' leads to no address: ", error.message()));
  }
  absl::Status status;
  for (const auto& entry : found) {
    status = OpenAt(entry.endpoint(), uri, params);
    if (status.ok()) break;
  }
  return status;
}

absl::Status Acceptor::OpenAt(const tcp::endpoint& endpoint, const Uri& uri, const Params& params) {
  asio::error_code error;
  acceptor_.emplace(loop_->io());
  acceptor_->open(endpoint.protocol(), error);
  if (error) return absl::UnavailableError(absl::StrCat(uri.ToString(), ": ", error.message()));
  acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
  // [::] takes IPv4 too, whatever the system's default is.
  if (endpoint.address().is_v6()) acceptor_->set_option(asio::ip::v6_only(false), error);
  absl::Status applied =
      ApplyParams(acceptor_->native_handle(), params, endpoint.address().is_loopback());
  if (!applied.ok()) return applied;
  acceptor_->bind(endpoint, error);
  if (!error) acceptor_->listen(tcp::acceptor::max_listen_connections, error);
  if (error == asio::error::address_in_use) {
    return absl::AlreadyExistsError(
        absl::StrCat(uri.ToString(), " is taken; choose another port, or port 0 for any free one"));
  }
  if (error)
    return absl::UnavailableError(
        absl::StrCat("can't listen on ", uri.ToString(), ": ", error.message()));
  port_ = acceptor_->local_endpoint(error).port();
  return absl::OkStatus();
}

void Acceptor::Start() {
  if (!acceptor_.has_value()) return;  // dropped by the callback that made it
  if (loop_->Register(shared_from_this())) {
    AcceptNext();
  } else {
    CloseOnLoop(absl::CancelledError("the transport was stopped"));
  }
}

void Acceptor::AcceptNext() {
  acceptor_->async_accept(
      [self = shared_from_this()](const asio::error_code& error, tcp::socket socket) {
        self->OnAccepted(error, std::move(socket));
      });
}

void Acceptor::OnAccepted(const asio::error_code& error, tcp::socket socket) {
  if (!acceptor_.has_value()) return;
  if (error && error != asio::error::connection_aborted) {
    PauseAfter(error);
    return;
  }
  if (!error) {
    // The two ends do not measure the same round trip.
    const bool far = RoundTrip(socket.native_handle()) >= kLongRoundTrip / 2;
    if (far || expects_streams_) {
      newcomers_->Add(std::move(socket));
    } else {
      OnPlain(std::move(socket));
    }
  }
  if (acceptor_.has_value()) AcceptNext();
}

void Acceptor::OnPlain(tcp::socket socket) {
  absl::StatusOr<std::shared_ptr<TcpConnection>> connection =
      TcpConnection::Create(loop_, std::move(socket));
  if (!connection.ok()) return;  // a peer that is gone again is no news
  (*connection)->SetHandOver([weak = weak_from_this()](tcp::socket& greeted) {
    const std::shared_ptr<Acceptor> self = weak.lock();
    if (self == nullptr || !self->acceptor_.has_value()) return false;
    self->newcomers_->AddGreeted(std::move(greeted));
    return true;
  });
  HandOut(*connection);
}

void Acceptor::OnStreams(std::vector<tcp::socket> sockets) {
  absl::StatusOr<std::shared_ptr<StripedConnection>> connection =
      StripedConnection::Create(loop_, std::move(sockets));
  if (connection.ok()) HandOut(*connection);
}

template <typename AnyConnection>
void Acceptor::HandOut(const std::shared_ptr<AnyConnection>& connection) {
  std::shared_ptr<Receiver> receiver = accept_(connection);
  if (receiver != nullptr) {
    connection->Start(std::move(receiver));
  } else {
    connection->CloseOnLoop(absl::CancelledError("the connection was refused on this side"));
  }
}

void Acceptor::PauseAfter(const asio::error_code& error) {
  loop_->Log(LogLevel::kWarning,
             absl::StrCat("tcp: can't accept on port ", port_, " for now: ", error.message()));
  pause_.emplace(loop_->io());
  pause_->expires_after(kPause);
  pause_->async_wait([self = shared_from_this()](const asio::error_code& cancelled) {
    if (!cancelled && self->acceptor_.has_value()) self->AcceptNext();
  });
}

void Acceptor::CloseOnLoop(const absl::Status&) {
  acceptor_.reset();
  pause_.reset();
  newcomers_->Close();
  loop_->Unregister(this);
}

TcpListener::TcpListener(std::shared_ptr<Loop> loop, std::shared_ptr<Acceptor> acceptor,
                         Uri address)
    : loop_(std::move(loop)), acceptor_(std::move(acceptor)), address_(std::move(address)) {}

TcpListener::~TcpListener() {
  if (loop_->InLoopThread()) {
    acceptor_->CloseOnLoop(absl::OkStatus());
    return;
  }
  absl::Notification closed;
  Task close = [this, &closed] {
    acceptor_->CloseOnLoop(absl::OkStatus());
    closed.Notify();
  };
  // Once the loop has ended, it has closed the acceptor.
  if (loop_->TryPost(close)) closed.WaitForNotification();
}

}  // namespace tideway::tcp
