// The side channel's sockets: one stream beside the fabric per connection, TCP between hosts and a local socket with an
// abstract name for ofi+shm. It finds the peer, carries the greeting, and breaks when the peer ends, which a fabric's
// endpoint without connections would not tell.
//
// All sockets are non-blocking. Any thread, each socket one at a time.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_SOCKET_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_SOCKET_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tideway/uri.h"

namespace tideway::libfabric {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return descriptor_; }
  bool valid() const { return descriptor_ >= 0; }
  void reset();

 private:
  int descriptor_ = -1;
};

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t bytes = 0;

  uint16_t port() const;
  // "127.0.0.1", without brackets; empty for a local socket.
  std::string ip() const;
  // "127.0.0.1:5000" or "[::1]:5000"
  std::string text() const;
};

// Blocks for as long as the name service takes. UNAVAILABLE: the name leads nowhere.
absl::StatusOr<std::vector<SocketAddress>> Resolve(const Uri& uri, bool same_host);

struct ListeningSocket {
  Descriptor descriptor;
  uint16_t port = 0;
  std::string ip;  // of TCP; may be a wildcard
};

// Statuses as Transport::Listen. `first_port`: where to begin to look for a free one for local sockets.
absl::StatusOr<ListeningSocket> ListenOn(const Uri& uri, const SocketAddress& address,
                                         bool same_host, uint64_t first_port);

// Begins to connect; the socket becomes writable when that has ended, and SocketError tells how. UNAVAILABLE: it failed at
// once.
absl::StatusOr<Descriptor> StartConnect(const SocketAddress& address, bool same_host);

// The error that an asynchronous connect ended with, or 0.
int SocketError(int descriptor);

// No delay, and probes that find a peer whose machine has vanished.
void SetConnectionOptions(int descriptor);

SocketAddress LocalAddress(int descriptor);
SocketAddress PeerAddress(int descriptor);
// The process at the other end of a local socket; 0: unknown.
int PeerProcess(int descriptor);

// What moved; 0 where the socket would block. UNAVAILABLE: it broke, or (reading) the peer has ended its side.
absl::StatusOr<size_t> ReadSome(int descriptor, absl::Span<std::byte> into);
absl::StatusOr<size_t> WriteSome(int descriptor, absl::Span<const std::byte> from);

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_SOCKET_H_
