#include "transports/libfabric/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace tideway::libfabric {
namespace {

constexpr int kBacklog = 512;
// A peer whose machine has vanished is given up after about half a minute.
constexpr int kProbeAfterSeconds = 10;
constexpr int kProbeIntervalSeconds = 5;
constexpr int kProbes = 4;
constexpr unsigned kUnacknowledgedMs = 30'000;
// Where free ports of local sockets are looked for.
constexpr uint64_t kFirstFreePort = 32768;
constexpr uint64_t kFreePorts = 28232;

std::string ErrorText(int error) { return std::system_category().message(error); }

bool SetInt(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof(value)) == 0;
}

const sockaddr* Generic(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}

// The name holds the user, since another user's memory could not be read anyway.
SocketAddress LocalName(uint16_t port) {
  SocketAddress address;
  sockaddr_un local = {};
  local.sun_family = AF_UNIX;
  const std::string name = absl::StrCat("tideway-ofi-shm/", geteuid(), "/", port);
  std::memcpy(local.sun_path + 1, name.data(), name.size());
  std::memcpy(&address.storage, &local, sizeof(local));
  address.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

Descriptor NewSocket(int family) {
  return Descriptor(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

absl::Status BindError(const Uri& uri, int error) {
  if (error == EADDRINUSE) {
    return absl::AlreadyExistsError(
        absl::StrCat(uri.ToString(), " is taken; choose another port, or port 0 for any free one"));
  }
  return absl::UnavailableError(
      absl::StrCat("can't listen on ", uri.ToString(), ": ", ErrorText(error)));
}

// Whether `address` is one of this host's.
absl::Status CheckIsThisHost(const Uri& uri, SocketAddress address) {
  if (address.storage.ss_family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port = 0;
  } else {
    reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port = 0;
  }
  const Descriptor probe = NewSocket(address.storage.ss_family);
  if (bind(probe.get(), Generic(address), address.bytes) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(uri.host,
                                             " is not this host, and ofi+shm reaches no other (",
                                             ErrorText(errno), "); use ofi+net or ofi+tcp"));
}

int BindAndListen(const Descriptor& descriptor, const SocketAddress& address) {
  if (!descriptor.valid()) return errno;
  if (address.storage.ss_family != AF_UNIX) SetInt(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  // [::] takes IPv4 too, whatever the system's default is.
  if (address.storage.ss_family == AF_INET6) SetInt(descriptor.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(descriptor.get(), Generic(address), address.bytes) != 0) return errno;
  return listen(descriptor.get(), kBacklog) == 0 ? 0 : errno;
}

absl::StatusOr<ListeningSocket> ListenLocally(const Uri& uri, uint64_t first_port) {
  ListeningSocket listening;
  int error = EADDRINUSE;
  const uint64_t tries = *uri.port == 0 ? kFreePorts : 1;
  for (uint64_t i = 0; i < tries && error == EADDRINUSE; ++i) {
    listening.port =
        *uri.port != 0
            ? *uri.port
            : static_cast<uint16_t>(kFirstFreePort + (first_port % kFreePorts + i) % kFreePorts);
    listening.descriptor = NewSocket(AF_UNIX);
    error = BindAndListen(listening.descriptor, LocalName(listening.port));
  }
  if (error != 0) return BindError(uri, error);
  return listening;
}

}  // namespace

void Descriptor::reset() {
  if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
}

uint16_t SocketAddress::port() const {
  if (storage.ss_family == AF_INET)
    return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  if (storage.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return 0;
}

std::string SocketAddress::ip() const {
  if (storage.ss_family != AF_INET && storage.ss_family != AF_INET6) return "";
  char host[NI_MAXHOST] = {};
  if (getnameinfo(Generic(*this), bytes, host, sizeof(host), nullptr, 0, NI_NUMERICHOST) != 0)
    return "";
  // An IPv4 peer of a socket for both.
  return std::strncmp(host, "::ffff:", 7) == 0 ? host + 7 : host;
}

std::string SocketAddress::text() const {
  const std::string host = ip();
  const bool ipv6 = host.find(':') != std::string::npos;
  return absl::StrCat(ipv6 ? "[" : "", host, ipv6 ? "]:" : ":", port());
}

absl::StatusOr<std::vector<SocketAddress>> Resolve(const Uri& uri, bool same_host) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(uri.host.c_str(), absl::StrCat(uri.port.value_or(0)).c_str(), &hints, &found);
  if (error != 0 || found == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("the name '", uri.host, "' leads to no address: ", gai_strerror(error)));
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, each->ai_addr, each->ai_addrlen);
    address.bytes = each->ai_addrlen;
    addresses.push_back(address);
  }
  freeaddrinfo(found);
  if (!same_host) return addresses;
  absl::Status status = CheckIsThisHost(uri, addresses[0]);
  if (!status.ok()) return status;
  return std::vector<SocketAddress>{LocalName(uri.port.value_or(0))};
}

absl::StatusOr<ListeningSocket> ListenOn(const Uri& uri, const SocketAddress& address,
                                         bool same_host, uint64_t first_port) {
  if (same_host) return ListenLocally(uri, first_port);
  ListeningSocket listening;
  listening.descriptor = NewSocket(address.storage.ss_family);
  const int error = BindAndListen(listening.descriptor, address);
  if (error != 0) return BindError(uri, error);
  const SocketAddress bound = LocalAddress(listening.descriptor.get());
  listening.port = bound.port();
  listening.ip = bound.ip();
  return listening;
}

absl::StatusOr<Descriptor> StartConnect(const SocketAddress& address, bool same_host) {
  Descriptor descriptor = NewSocket(same_host ? AF_UNIX : address.storage.ss_family);
  if (!descriptor.valid()) return absl::UnavailableError(ErrorText(errno));
  if (connect(descriptor.get(), Generic(address), address.bytes) == 0 || errno == EINPROGRESS)
    return descriptor;
  return absl::UnavailableError(ErrorText(errno == EAGAIN ? ECONNREFUSED : errno));
}

int SocketError(int descriptor) {
  int error = 0;
  socklen_t bytes = sizeof(error);
  return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 ? error : errno;
}

void SetConnectionOptions(int descriptor) {
  if (LocalAddress(descriptor).storage.ss_family == AF_UNIX) return;
  SetInt(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  SetInt(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetInt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, kProbeAfterSeconds);
  SetInt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, kProbeIntervalSeconds);
  SetInt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  SetInt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(kUnacknowledgedMs));
}

SocketAddress LocalAddress(int descriptor) {
  SocketAddress address;
  address.bytes = sizeof(address.storage);
  (void)getsockname(descriptor, reinterpret_cast<sockaddr*>(&address.storage), &address.bytes);
  return address;
}

SocketAddress PeerAddress(int descriptor) {
  SocketAddress address;
  address.bytes = sizeof(address.storage);
  (void)getpeername(descriptor, reinterpret_cast<sockaddr*>(&address.storage), &address.bytes);
  return address;
}

int PeerProcess(int descriptor) {
  ucred peer = {};
  socklen_t bytes = sizeof(peer);
  return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 ? peer.pid : 0;
}

absl::StatusOr<size_t> ReadSome(int descriptor, absl::Span<std::byte> into) {
  const ssize_t count = recv(descriptor, into.data(), into.size(), 0);
  if (count > 0) return static_cast<size_t>(count);
  if (count == 0) return absl::UnavailableError("it was closed by the other end");
  if (errno == EAGAIN || errno == EINTR) return size_t{0};
  return absl::UnavailableError(ErrorText(errno));
}

absl::StatusOr<size_t> WriteSome(int descriptor, absl::Span<const std::byte> from) {
  const ssize_t count = send(descriptor, from.data(), from.size(), MSG_NOSIGNAL);
  if (count >= 0) return static_cast<size_t>(count);
  if (errno == EAGAIN || errno == EINTR) return size_t{0};
  return absl::UnavailableError(ErrorText(errno));
}

}  // namespace tideway::libfabric
