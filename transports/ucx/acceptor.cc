#include "transports/ucx/acceptor.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "asio/ip/v6_only.hpp"
#include "transports/ucx/connection.h"

namespace tideway::ucx {
namespace {

using asio::ip::tcp;

// How long accepting rests when the process has run out of file descriptors or memory.
constexpr std::chrono::milliseconds kPause(100);

// Strangers that say nothing: so many at once, and so long each.
constexpr size_t kGuestsMax = 256;
constexpr std::chrono::seconds kHandshakePatience(30);

}  // namespace

Acceptor::Acceptor(std::shared_ptr<Shared> shared, Settings settings, AcceptHandler accept)
    : shared_(std::move(shared)),
      loop_(shared_->loop),
      settings_(std::move(settings)),
      accept_(std::move(accept)) {}

absl::Status Acceptor::Open(const Uri& uri) {
  asio::error_code error;
  const asio::ip::address address = asio::ip::make_address(uri.host, error);
  if (!error) return OpenAt(tcp::endpoint(address, *uri.port), uri);
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
    status = OpenAt(entry.endpoint(), uri);
    if (status.ok()) break;
  }
  return status;
}

absl::Status Acceptor::OpenAt(const tcp::endpoint& endpoint, const Uri& uri) {
  asio::error_code error;
  acceptor_.emplace(loop_->io());
  acceptor_->open(endpoint.protocol(), error);
  if (error) return absl::UnavailableError(absl::StrCat(uri.ToString(), ": ", error.message()));
  acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
  // [::] takes IPv4 too, whatever the system's default is.
  if (endpoint.address().is_v6()) acceptor_->set_option(asio::ip::v6_only(false), error);
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
  // A peer that is gone again is no news; nor is one too many.
  if (!error && guests_.size() < kGuestsMax) {
    auto guest = std::make_shared<Guest>();
    guest->handshake =
        std::make_shared<Handshake>(shared_, settings_, std::move(socket),
                                    [self = shared_from_this(), guest](absl::StatusOr<Link> link) {
                                      self->OnShaken(guest, std::move(link));
                                    });
    guests_.insert(guest);
    guest->timer.emplace(loop_->io());
    guest->timer->expires_after(kHandshakePatience);
    guest->timer->async_wait([self = shared_from_this(), guest](const asio::error_code& cancelled) {
      if (!cancelled) self->DropGuest(guest);
    });
    guest->handshake->StartServer();
  }
  AcceptNext();
}

void Acceptor::OnShaken(const std::shared_ptr<Guest>& guest, absl::StatusOr<Link> link) {
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): `guest` lies in what DropGuest destroys
  const std::shared_ptr<Guest> kept = guest;
  DropGuest(kept);
  if (!link.ok()) {
    loop_->Log(LogLevel::kInfo, absl::StrCat("ucx: port ", port_, ": ", link.status().message()));
    return;
  }
  absl::StatusOr<std::shared_ptr<UcxConnection>> connection =
      UcxConnection::Create(shared_, *std::move(link));
  if (!connection.ok()) return;
  std::shared_ptr<Receiver> receiver = accept_(*connection);
  if (receiver != nullptr) {
    (*connection)->TellAccepted();
    (*connection)->Start(std::move(receiver));
  } else {
    (*connection)->TellRefused("the server does not want this connection");
    (*connection)->CloseOnLoop(absl::CancelledError("the connection was refused on this side"));
  }
}

void Acceptor::DropGuest(const std::shared_ptr<Guest>& guest) {
  guest->timer.reset();
  const std::shared_ptr<Handshake> handshake = std::move(guest->handshake);
  if (handshake != nullptr) handshake->Cancel();
  guests_.erase(guest);
}

void Acceptor::PauseAfter(const asio::error_code& error) {
  loop_->Log(LogLevel::kWarning,
             absl::StrCat("ucx: can't accept on port ", port_, " for now: ", error.message()));
  pause_.emplace(loop_->io());
  pause_->expires_after(kPause);
  pause_->async_wait([self = shared_from_this()](const asio::error_code& cancelled) {
    if (!cancelled && self->acceptor_.has_value()) self->AcceptNext();
  });
}

void Acceptor::CloseOnLoop(const absl::Status&) {
  acceptor_.reset();
  pause_.reset();
  while (!guests_.empty()) DropGuest(std::shared_ptr<Guest>(*guests_.begin()));
  loop_->Unregister(this);
}

UcxListener::UcxListener(std::shared_ptr<Loop> loop, std::shared_ptr<Acceptor> acceptor,
                         Uri address)
    : loop_(std::move(loop)), acceptor_(std::move(acceptor)), address_(std::move(address)) {}

UcxListener::~UcxListener() {
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

}  // namespace tideway::ucx
