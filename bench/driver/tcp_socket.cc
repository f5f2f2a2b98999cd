#include "bench/driver/tcp_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace bench {
namespace {

constexpr timeval kConnectPatience = {.tv_sec = 5, .tv_usec = 0};
constexpr int kBacklog = 8;

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

absl::StatusOr<Addresses> Resolve(const tideway::Uri& uri, bool passive) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(uri.host.c_str(), std::to_string(*uri.port).c_str(), &hints, &found);
  if (failed != 0)
    return absl::UnavailableError(absl::StrCat(uri.host, ": ", gai_strerror(failed)));
  return Addresses(found, freeaddrinfo);
}

// A socket for which `use`, connect or bind, succeeds with one of the addresses.
template <typename Use>
absl::StatusOr<int> FirstThatWorks(const addrinfo* addresses, Use use) {
  absl::Status last = absl::UnavailableError("no address");
  for (const addrinfo* one = addresses; one != nullptr; one = one->ai_next) {
    const int descriptor =
        socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
    if (descriptor >= 0 && use(descriptor, one)) return descriptor;
    last = absl::ErrnoToStatus(errno, "");
    if (descriptor >= 0) close(descriptor);
  }
  // "Connection refused" alone.
  absl::string_view text = last.message();
  while (!text.empty() && (text.front() == ':' || text.front() == ' ')) text.remove_prefix(1);
  return absl::UnavailableError(text);
}

void SetOption(int descriptor, int level, int name) {
  const int on = 1;
  setsockopt(descriptor, level, name, &on, sizeof(on));
}

}  // namespace

absl::StatusOr<tideway::Uri> ParseControlUri(absl::string_view text) {
  absl::StatusOr<tideway::Uri> uri = tideway::Uri::Parse(text);
  if (uri.ok() && uri->scheme == "tcp" && uri->port.has_value() && uri->params.empty()) return uri;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is no address of tideway-bench; write tcp://HOST:PORT"));
}

absl::StatusOr<int> ConnectTcp(const tideway::Uri& uri) {
  const auto addresses = Resolve(uri, /*passive=*/false);
  if (!addresses.ok()) return addresses.status();
  absl::StatusOr<int> connected =
      FirstThatWorks(addresses->get(), [](int descriptor, const addrinfo* to) {
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &kConnectPatience, sizeof(timeval));
        return connect(descriptor, to->ai_addr, to->ai_addrlen) == 0;
      });
  if (connected.ok()) SetOption(*connected, IPPROTO_TCP, TCP_NODELAY);
  return connected;
}

absl::StatusOr<TcpListener> ListenTcp(const tideway::Uri& uri) {
  const auto addresses = Resolve(uri, /*passive=*/true);
  if (!addresses.ok()) return addresses.status();
  const absl::StatusOr<int> bound = FirstThatWorks(addresses->get(), [](int descriptor,
                                                                        const addrinfo* at) {
    SetOption(descriptor, SOL_SOCKET, SO_REUSEADDR);
    return bind(descriptor, at->ai_addr, at->ai_addrlen) == 0 && listen(descriptor, kBacklog) == 0;
  });
  if (!bound.ok()) {
    return absl::UnavailableError(
        absl::StrCat("can't listen on ", uri.ToString(), ": ", bound.status().message()));
  }
  sockaddr_storage address = {};
  socklen_t bytes = sizeof(address);
  getsockname(*bound, reinterpret_cast<sockaddr*>(&address), &bytes);
  TcpListener listener = {*bound, uri};
  // The port lies at the same place in both families' addresses.
  listener.address.port = ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  return listener;
}

}  // namespace bench
