// For tests: ends of a socket that say and hear any bytes: RawSocket connects to a server of ours, RawServer takes a client of
// ours. Both wait for at most a minute.

#ifndef TIDEWAY_TRANSPORTS_COMMON_RAW_PEER_H_
#define TIDEWAY_TRANSPORTS_COMMON_RAW_PEER_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace tideway {

class RawSocket {
 public:
  // Takes over `descriptor`.
  explicit RawSocket(int descriptor) : socket_(descriptor) {
    const timeval patience = {.tv_sec = 60, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  static RawSocket ConnectTo(uint16_t port) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0)
        << std::strerror(errno);
    return RawSocket(descriptor);
  }
  RawSocket(RawSocket&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  RawSocket& operator=(RawSocket&&) = delete;
  ~RawSocket() { Close(); }

  // The other end may be gone already.
  void Write(const std::string& bytes) const { (void)TryWrite(bytes); }
  // False if it took less than all of them.
  bool TryWrite(const std::string& bytes) const {
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  // Shorter if the stream ended before.
  std::string Read(size_t bytes) const {
    std::string text(bytes, '\0');
    size_t at = 0;
    while (at < bytes) {
      const ssize_t got = recv(socket_, text.data() + at, bytes - at, 0);
      if (got <= 0) break;
      at += static_cast<size_t>(got);
    }
    text.resize(at);
    return text;
  }
  // Reads on until the other end has closed: true, or false if it did not within a minute.
  bool AwaitClosed() const {
    char bytes[256];
    ssize_t got = 1;
    while (got > 0) got = recv(socket_, bytes, sizeof(bytes), 0);
    return got == 0 || errno == ECONNRESET;
  }
  // The same, where the other end may say nothing more.
  bool AwaitClosedInSilence() const {
    char byte = 0;
    const ssize_t got = recv(socket_, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }
  void Reset() {
    const linger abort = {.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    Close();
  }
  void EndWriting() const { shutdown(socket_, SHUT_WR); }
  void Close() {
    if (socket_ >= 0) close(std::exchange(socket_, -1));
  }

 private:
  int socket_;
};

class RawServer {
 public:
  RawServer() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(socket_, generic, bytes), 0) << std::strerror(errno);
    EXPECT_EQ(listen(socket_, 16), 0);
    EXPECT_EQ(getsockname(socket_, generic, &bytes), 0);
    port_ = ntohs(address.sin_port);
    const timeval patience = {.tv_sec = 60, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;
  ~RawServer() { close(socket_); }

  uint16_t port() const { return port_; }
  RawSocket Accept() const {
    const int descriptor = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    EXPECT_GE(descriptor, 0) << std::strerror(errno);
    return RawSocket(descriptor);
  }

 private:
  const int socket_;
  uint16_t port_ = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_TRANSPORTS_COMMON_RAW_PEER_H_
