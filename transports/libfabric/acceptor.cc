#include "transports/libfabric/acceptor.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transports/libfabric/connection.h"

namespace tideway::libfabric {
namespace {

// How long accepting rests when the process has run out of file descriptors or memory.
constexpr absl::Duration kPause = absl::Milliseconds(100);
// Who comes must have said who it is by then; and so many may be about it.
constexpr absl::Duration kGreetingPatience = absl::Seconds(10);
constexpr size_t kGuestsMax = 256;

}  // namespace

struct Acceptor::Guest final : Watcher {
  Guest(Acceptor* at, Descriptor from) : acceptor(at), descriptor(std::move(from)) {}
  void OnReady(uint32_t) override { acceptor->OnGuest(this); }

  Acceptor* const acceptor;
  Descriptor descriptor;
  uint64_t watch = 0;
  absl::Time deadline;
  std::array<std::byte, kGreetingBytesMax> in;
  size_t in_bytes = 0;
};

Acceptor::~Acceptor() = default;

Acceptor::Acceptor(std::shared_ptr<Loop> loop, std::shared_ptr<Domains> domains,
                   const Provider& provider, AcceptHandler accept)
    : loop_(std::move(loop)),
      domains_(std::move(domains)),
      provider_(provider),
      accept_(std::move(accept)) {}

absl::Status Acceptor::Open(const Uri& uri) {
  const absl::StatusOr<std::vector<SocketAddress>> addresses = Resolve(uri, provider_.same_host);
  if (!addresses.ok()) return addresses.status();
  absl::Status status;
  for (const SocketAddress& address : *addresses) {
    absl::StatusOr<ListeningSocket> socket =
        ListenOn(uri, address, provider_.same_host, loop_->executor().Random());
    status = socket.status();
    if (!status.ok()) continue;
    socket_ = *std::move(socket);
    host_ = uri.host;
    break;
  }
  return status;
}

absl::Status Acceptor::Start() {
  const bool any = socket_.ip == "0.0.0.0" || socket_.ip == "::";
  if (!any) {
    absl::Status usable = domains_->Get(provider_, socket_.ip).status();
    if (!usable.ok()) return usable;
  }
  if (!loop_->Register(shared_from_this()))
    return absl::CancelledError("the transport was stopped");
  watch_ = loop_->Watch(socket_.descriptor.get(), EPOLLIN, this);
  return absl::OkStatus();
}

void Acceptor::OnReady(uint32_t) {
  const std::shared_ptr<Acceptor> self = shared_from_this();
  AcceptSome();
}

void Acceptor::AcceptSome() {
  while (!closed_) {
    if (guests_.size() >= kGuestsMax) {
      StopAccepting();
      return;
    }
    Descriptor from(
        accept4(socket_.descriptor.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!from.valid()) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
      loop_->Log(LogLevel::kWarning,
                 absl::StrCat("libfabric: can't accept on port ", socket_.port,
                              " for now: ", std::system_category().message(errno)));
      StopAccepting();
      return;
    }
    auto guest = std::make_unique<Guest>(this, std::move(from));
    guest->deadline = loop_->Now() + kGreetingPatience;
    guest->watch = loop_->Watch(guest->descriptor.get(), EPOLLIN, guest.get());
    loop_->WakeAt(guest->deadline);
    Guest* key = guest.get();
    guests_.emplace(key, std::move(guest));
  }
}

void Acceptor::StopAccepting() {
  if (watch_ != 0) loop_->Unwatch(std::exchange(watch_, 0), socket_.descriptor.get());
  resume_at_ = loop_->Now() + kPause;
  loop_->WakeAt(resume_at_);
}

absl::Time Acceptor::OnTime(absl::Time now) {
  if (now >= resume_at_) {
    resume_at_ = absl::InfiniteFuture();
    watch_ = loop_->Watch(socket_.descriptor.get(), EPOLLIN, this);
  }
  absl::Time next = resume_at_;
  std::vector<Guest*> late;
  for (const auto& [guest, owned] : guests_) {
    if (guest->deadline <= now) {
      late.push_back(guest);
    } else {
      next = std::min(next, guest->deadline);
    }
  }
  for (Guest* guest : late) Drop(guest);
  return next;
}

void Acceptor::OnGuest(Guest* guest) {
  const std::shared_ptr<Acceptor> self = shared_from_this();
  const absl::StatusOr<size_t> count =
      ReadSome(guest->descriptor.get(), absl::MakeSpan(guest->in).subspan(guest->in_bytes));
  if (!count.ok()) {
    Drop(guest);  // it is gone again, which is no news
    return;
  }
  guest->in_bytes += *count;
  const absl::Span<const std::byte> in = absl::MakeConstSpan(guest->in).first(guest->in_bytes);
  const absl::StatusOr<size_t> wanted = GreetingBytes(in);
  if (!wanted.ok()) {
    loop_->Log(LogLevel::kWarning, absl::StrCat("libfabric: refused a peer of port ", socket_.port,
                                                ": ", wanted.status().message()));
    Drop(guest);
    return;
  }
  if (*wanted == 0 || in.size() < *wanted) return;
  const absl::StatusOr<Greeting> hello = DecodeGreeting(in.first(*wanted));
  absl::Status status = hello.status();
  // A client says nothing behind its greeting until it was answered.
  if (status.ok() && (hello->kind != GreetingKind::kHello || in.size() != *wanted))
    status = absl::InvalidArgumentError("its greeting is not that of a client");
  if (status.ok()) status = Admit(guest, *hello);
  if (!status.ok()) Refuse(guest, status);
}

void Acceptor::Drop(Guest* guest) {
  if (guest->descriptor.valid()) loop_->Unwatch(guest->watch, guest->descriptor.get());
  guests_.erase(guest);
}

void Acceptor::Refuse(Guest* guest, const absl::Status& status) {
  loop_->Log(LogLevel::kWarning, absl::StrCat("libfabric: refused a peer of port ", socket_.port,
                                              ": ", status.message()));
  if (guest->descriptor.valid()) {
    Greeting refusal;
    refusal.kind = GreetingKind::kRefusal;
    refusal.scheme = provider_.scheme;
    refusal.text = std::string(status.message());
    const std::string bytes = EncodeGreeting(refusal);
    (void)WriteSome(guest->descriptor.get(),
                    {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
  }
  Drop(guest);
}

absl::Status Acceptor::Admit(Guest* guest, const Greeting& hello) {
  if (hello.scheme != provider_.scheme) {
    return absl::InvalidArgumentError(absl::StrCat("the server speaks ", provider_.scheme,
                                                   " there, and the client ", hello.scheme));
  }
  if (hello.frame_bytes < kRemoteFrameBytesMax)
    return absl::InvalidArgumentError("the client's frames are too small");
  const int descriptor = guest->descriptor.get();
  const SocketAddress local = LocalAddress(descriptor);
  absl::StatusOr<std::shared_ptr<Domain>> domain = domains_->Get(provider_, local.ip());
  if (!domain.ok()) return domain.status();
  absl::Status reachable = (*domain)->CheckPeerAddress(hello.fabric_address);
  if (!reachable.ok()) return reachable;
  OfiConnection::Setup setup;
  setup.loop = loop_;
  setup.domain = *domain;
  setup.role = Role::kPassive;
  setup.id = (*domain)->NewId();
  setup.peer = hello;
  setup.local = provider_.same_host ? absl::StrCat(host_, ":", socket_.port) : local.text();
  setup.one_sided = WhyNotOneSided(**domain, hello, PeerProcess(descriptor));
  Greeting welcome = GreetingOf(**domain, Role::kPassive, GreetingKind::kWelcome);
  welcome.text = setup.local;
  welcome.connection = setup.id;
  loop_->Unwatch(guest->watch, descriptor);
  setup.side = std::move(guest->descriptor);
  absl::StatusOr<std::shared_ptr<OfiConnection>> connection =
      OfiConnection::Create(std::move(setup));
  if (!connection.ok()) return connection.status();
  Drop(guest);
  std::shared_ptr<Receiver> receiver = accept_ ? accept_(*connection) : nullptr;
  if (receiver == nullptr) {
    Greeting refusal;
    refusal.kind = GreetingKind::kRefusal;
    refusal.text = "the server refused the connection";
    (void)(*connection)->WriteGreeting(EncodeGreeting(refusal));
    (*connection)->CloseOnLoop(absl::CancelledError("the connection was refused on this side"));
    return absl::OkStatus();
  }
  const absl::Status sent = (*connection)->WriteGreeting(EncodeGreeting(welcome));
  (*connection)->Start(std::move(receiver), /*ready=*/false);
  if (!sent.ok()) (*connection)->CloseOnLoop(sent);
  return absl::OkStatus();
}

void Acceptor::CloseOnLoop(const absl::Status&) {
  if (std::exchange(closed_, true)) return;
  while (!guests_.empty()) Drop(guests_.begin()->first);
  if (watch_ != 0) loop_->Unwatch(std::exchange(watch_, 0), socket_.descriptor.get());
  resume_at_ = absl::InfiniteFuture();
  socket_.descriptor.reset();
  loop_->Unregister(this);
}

OfiListener::OfiListener(std::shared_ptr<Loop> loop, std::shared_ptr<Acceptor> acceptor,
                         Uri address)
    : loop_(std::move(loop)), acceptor_(std::move(acceptor)), address_(std::move(address)) {}

OfiListener::~OfiListener() {
  // Once the loop has ended, it has closed the acceptor.
  (void)loop_->Run([this] { acceptor_->CloseOnLoop(absl::OkStatus()); });
}

}  // namespace tideway::libfabric
