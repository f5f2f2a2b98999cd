#include "transports/tcp/newcomers.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "asio/read.hpp"
#include "tideway/limits.h"
#include "transports/tcp/connection.h"

namespace tideway::tcp {
namespace {

// Readiness means from now on that so many bytes are there, or the end.
void SetLowWater(int socket, int bytes) {
  setsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

}  // namespace

bool GreetingIsNext(int socket) {
  std::array<std::byte, kGreetingMagicBytes> bytes;
  const ssize_t got = recv(socket, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
  return got == static_cast<ssize_t>(bytes.size()) && LooksLikeGreeting(bytes);
}

void Newcomers::Add(Socket socket) {
  if (newcomers_.size() >= kTcpNewcomersMax) {
    asio::post(loop_->io(), [self = shared_from_this(), socket = std::move(socket)]() mutable {
      if (!self->closed_) self->callbacks_.on_plain(std::move(socket));
    });
    return;
  }
  auto newcomer = std::make_shared<Newcomer>(*loop_, std::move(socket));
  newcomers_.insert(newcomer);
  SetLowWater(newcomer->socket.native_handle(), kGreetingMagicBytes);
  newcomer->socket.async_wait(Socket::wait_read,
                              [self = shared_from_this(), newcomer](const asio::error_code& error) {
                                // At the end of its patience the timer has cancelled this.
                                if (!error) self->OnFirstBytes(newcomer);
                              });
  newcomer->timer.expires_after(patience_.first_bytes);
  newcomer->timer.async_wait([self = shared_from_this(), newcomer](const asio::error_code& error) {
    if (!error) self->OnFirstBytes(newcomer);
  });
}

void Newcomers::OnFirstBytes(const NewcomerPtr& newcomer) {
  if (!newcomers_.contains(newcomer) || std::exchange(newcomer->heard, true)) return;
  asio::error_code ignored;
  newcomer->socket.cancel(ignored);
  newcomer->timer.cancel();
  SetLowWater(newcomer->socket.native_handle(), 1);
  if (GreetingIsNext(newcomer->socket.native_handle())) {
    ReadGreeting(newcomer);
    return;
  }
  Remove(newcomer);
  callbacks_.on_plain(std::move(newcomer->socket));
}

void Newcomers::AddGreeted(Socket socket) {
  auto newcomer = std::make_shared<Newcomer>(*loop_, std::move(socket));
  if (newcomers_.size() >= kTcpNewcomersMax) {
    Refuse(newcomer->socket, "too many sockets wait for their greeting");
    return;
  }
  newcomers_.insert(newcomer);
  ReadGreeting(newcomer);
}

void Newcomers::ReadGreeting(const NewcomerPtr& newcomer) {
  asio::async_read(newcomer->socket, asio::buffer(newcomer->greeting),
                   [self = shared_from_this(), newcomer](const asio::error_code& error, size_t) {
                     self->OnGreeting(newcomer, error);
                   });
  newcomer->timer.expires_after(patience_.greeting);
  newcomer->timer.async_wait([self = shared_from_this(), newcomer](const asio::error_code& error) {
    if (!error && self->Remove(newcomer)) self->Refuse(newcomer->socket, "its greeting is late");
  });
}

void Newcomers::OnGreeting(const NewcomerPtr& newcomer, const asio::error_code& error) {
  if (!Remove(newcomer)) return;
  if (error) {
    Refuse(newcomer->socket, absl::StrCat("it left in mid-greeting: ", error.message()));
    return;
  }
  const absl::StatusOr<Greeting> greeting = DecodeGreeting(newcomer->greeting);
  if (!greeting.ok()) {
    Refuse(newcomer->socket, greeting.status().message());
    return;
  }
  Join(*greeting, std::move(newcomer->socket));
}

void Newcomers::Join(const Greeting& greeting, Socket socket) {
  Party* party = PartyFor(greeting);
  if (party == nullptr) {
    Refuse(socket, "too many connections wait for their streams");
    return;
  }
  if (party->sockets.size() != greeting.streams || party->sockets[greeting.index].has_value()) {
    Refuse(socket, absl::StrCat("stream ", greeting.index, " of ", greeting.streams,
                                " is there already, or does not fit to the others"));
    return;
  }
  party->sockets[greeting.index] = std::move(socket);
  std::vector<Socket> streams;
  for (const std::optional<Socket>& one : party->sockets) {
    if (!one.has_value()) return;
  }
  for (std::optional<Socket>& one : party->sockets) streams.push_back(*std::move(one));
  parties_.erase(greeting.token);
  callbacks_.on_streams(std::move(streams));
}

Newcomers::Party* Newcomers::PartyFor(const Greeting& greeting) {
  const auto found = parties_.find(greeting.token);
  if (found != parties_.end()) return found->second.get();
  if (parties_.size() >= kTcpUnpairedConnectionsMax) return nullptr;
  auto party = std::make_unique<Party>(*loop_);
  party->sockets.resize(greeting.streams);
  party->timer.expires_after(patience_.greeting);
  party->timer.async_wait(
      [self = shared_from_this(), token = greeting.token](const asio::error_code& error) {
        if (!error) self->OnLate(token);
      });
  return parties_.emplace(greeting.token, std::move(party)).first->second.get();
}

void Newcomers::OnLate(const Token& token) {
  const auto found = parties_.find(token);
  if (found == parties_.end()) return;
  const std::unique_ptr<Party> party = std::move(found->second);
  parties_.erase(found);
  const auto there = std::count_if(party->sockets.begin(), party->sockets.end(),
                                   [](const auto& socket) { return socket.has_value(); });
  loop_->Log(LogLevel::kWarning,
             absl::StrCat("tcp: closing a connection of ", party->sockets.size(),
                          " streams of which only ", there, " came in time"));
}

bool Newcomers::Remove(const NewcomerPtr& newcomer) {
  newcomer->timer.cancel();
  return newcomers_.erase(newcomer) > 0;
}

void Newcomers::Refuse(Socket& socket, absl::string_view why) {
  asio::error_code error;
  const std::string peer = EndpointText(socket.remote_endpoint(error));
  loop_->Log(LogLevel::kWarning, absl::StrCat("tcp: closing a stream from ",
                                              error ? "a peer that is gone" : peer, ": ", why));
  socket.close(error);
}

void Newcomers::Close() {
  closed_ = true;
  asio::error_code ignored;
  for (const NewcomerPtr& newcomer : newcomers_) {
    newcomer->timer.cancel();
    newcomer->socket.close(ignored);
  }
  newcomers_.clear();
  parties_.clear();
}

}  // namespace tideway::tcp
