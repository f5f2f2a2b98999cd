#include "transports/libfabric/connector.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace tideway::libfabric {

Connector::Connector(std::shared_ptr<Loop> loop, std::shared_ptr<Domains> domains,
                     const Provider& provider, Uri uri, std::shared_ptr<Receiver> receiver,
                     ConnectDone done)
    : loop_(std::move(loop)),
      domains_(std::move(domains)),
      provider_(provider),
      uri_(std::move(uri)),
      receiver_(std::move(receiver)),
      done_(std::move(done)) {}

void Connector::Start(absl::Time deadline) {
  deadline_ = deadline;
  if (!loop_->Register(shared_from_this())) {
    Finish(absl::CancelledError("the transport was stopped"));
    return;
  }
  if (OnTime(loop_->Now()) == absl::InfiniteFuture() && !done_) return;
  loop_->WakeAt(deadline_);
  Resolve();
}

absl::Time Connector::OnTime(absl::Time now) {
  if (!done_) return absl::InfiniteFuture();
  if (now < deadline_) return deadline_;
  // Whoever took the connection and says nothing is no server of ours.
  Finish(connected_ && deadline_ != absl::InfinitePast()
             ? absl::UnavailableError(
                   absl::StrCat(uri_.ToString(),
                                " took the connection and did not answer by the deadline; does "
                                "a server with this scheme listen there?"))
             : absl::DeadlineExceededError(
                   absl::StrCat("no connection with ", uri_.ToString(), " by the deadline")));
  return absl::InfiniteFuture();
}

// The name service may take long, so it is asked on the executor.
void Connector::Resolve() {
  loop_->executor().Post([self = shared_from_this()] {
    auto addresses = libfabric::Resolve(self->uri_, self->provider_.same_host);
    self->loop_->Post([self, addresses = std::move(addresses)]() mutable {
      self->OnResolved(std::move(addresses));
    });
  });
}

void Connector::OnResolved(absl::StatusOr<std::vector<SocketAddress>> addresses) {
  if (!done_) return;
  if (!addresses.ok()) {
    Finish(addresses.status());
    return;
  }
  addresses_ = *std::move(addresses);
  TryNext();
}

void Connector::TryNext() {
  if (next_address_ == addresses_.size()) {
    Finish(absl::UnavailableError(absl::StrCat("can't connect to ", uri_.ToString(), ": ",
                                               last_error_, "; is the server running there?")));
    return;
  }
  const SocketAddress& address = addresses_[next_address_++];
  absl::StatusOr<Descriptor> socket = StartConnect(address, provider_.same_host);
  if (!socket.ok()) {
    Fail(socket.status());
    return;
  }
  socket_ = *std::move(socket);
  connected_ = false;
  in_bytes_ = 0;
  watch_ = loop_->Watch(socket_.get(), EPOLLOUT, this);
}

void Connector::OnReady(uint32_t) {
  const std::shared_ptr<Connector> self = shared_from_this();
  if (!done_) return;
  if (connected_) {
    OnGreeting();
  } else {
    OnConnected();
  }
}

void Connector::OnConnected() {
  const int error = SocketError(socket_.get());
  const absl::Status status =
      error == 0 ? Greet() : absl::UnavailableError(std::system_category().message(error));
  if (!status.ok()) {
    Fail(status);
    return;
  }
  connected_ = true;
  loop_->Rewatch(watch_, socket_.get(), EPOLLIN);
}

absl::Status Connector::Greet() {
  const SocketAddress local = LocalAddress(socket_.get());
  absl::StatusOr<std::shared_ptr<Domain>> domain = domains_->Get(provider_, local.ip());
  if (!domain.ok()) return domain.status();
  domain_ = *std::move(domain);
  id_ = domain_->NewId();
  local_ = provider_.same_host ? absl::StrCat("process ", getpid(), ":", static_cast<uint32_t>(id_))
                               : local.text();
  Greeting hello = GreetingOf(*domain_, Role::kActive, GreetingKind::kHello);
  hello.connection = id_;
  hello.text = local_;
  const std::string bytes = EncodeGreeting(hello);
  const absl::StatusOr<size_t> written =
      WriteSome(socket_.get(), {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
  if (!written.ok()) return written.status();
  if (*written != bytes.size()) return absl::UnavailableError("the greeting was cut");
  return absl::OkStatus();
}

void Connector::OnGreeting() {
  const absl::StatusOr<size_t> count =
      ReadSome(socket_.get(), absl::MakeSpan(in_).subspan(in_bytes_));
  if (!count.ok()) {
    Fail(count.status());
    return;
  }
  in_bytes_ += *count;
  const absl::Span<const std::byte> in = absl::MakeConstSpan(in_).first(in_bytes_);
  const absl::StatusOr<size_t> wanted = GreetingBytes(in);
  if (!wanted.ok()) {
    Fail(wanted.status());
    return;
  }
  if (*wanted == 0 || in.size() < *wanted) return;
  absl::StatusOr<Greeting> greeting = DecodeGreeting(in.first(*wanted));
  if (!greeting.ok()) {
    Fail(greeting.status());
  } else if (greeting->kind == GreetingKind::kRefusal) {
    Fail(absl::UnavailableError(absl::Utf8SafeCEscape(greeting->text)));
  } else if (greeting->kind != GreetingKind::kWelcome || in.size() != *wanted ||
             greeting->scheme != provider_.scheme || greeting->frame_bytes < kRemoteFrameBytesMax) {
    Fail(absl::UnavailableError("its greeting is not that of a server"));
  } else if (absl::Status reachable = domain_->CheckPeerAddress(greeting->fabric_address);
             !reachable.ok()) {
    Fail(reachable);
  } else {
    OnWelcome(*std::move(greeting));
  }
}

void Connector::OnWelcome(Greeting welcome) {
  loop_->Unwatch(watch_, socket_.get());
  OfiConnection::Setup setup;
  setup.loop = loop_;
  setup.domain = domain_;
  setup.role = Role::kActive;
  setup.id = id_;
  setup.local = local_;
  setup.one_sided = WhyNotOneSided(*domain_, welcome, PeerProcess(socket_.get()));
  setup.peer = std::move(welcome);
  setup.side = std::move(socket_);
  absl::StatusOr<std::shared_ptr<OfiConnection>> connection =
      OfiConnection::Create(std::move(setup));
  if (!connection.ok()) {
    Finish(connection.status());
    return;
  }
  std::shared_ptr<Receiver> receiver = std::move(receiver_);
  ConnectDone done = std::exchange(done_, nullptr);
  Finish(absl::OkStatus());
  (*connection)->WriteNote(NoteKind::kReady);
  std::move(done)(std::shared_ptr<Connection>(*connection));
  (*connection)->Start(std::move(receiver), /*ready=*/true);
}

void Connector::Fail(const absl::Status& status) {
  last_error_ = std::string(status.message());
  ForgetSocket();
  TryNext();
}

void Connector::ForgetSocket() {
  if (socket_.valid()) loop_->Unwatch(watch_, socket_.get());
  socket_.reset();
}

void Connector::Finish(absl::Status status) {
  const std::shared_ptr<Connector> self = shared_from_this();
  ForgetSocket();
  receiver_.reset();
  if (done_) {
    ConnectDone done = std::exchange(done_, nullptr);
    std::move(done)(std::move(status));
  }
  loop_->Unregister(this);
}

}  // namespace tideway::libfabric
