// For tests of TCP's bytes: a message's bytes as the specification has them, and a bare socket that says and hears any bytes.

#ifndef TIDEWAY_TRANSPORTS_TCP_RAW_CLIENT_H_
#define TIDEWAY_TRANSPORTS_TCP_RAW_CLIENT_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tideway/uri.h"
#include "transports/tcp/frame.h"

namespace tideway::tcp {

inline std::string Frame(const std::string& header, const std::string& payload) {
  std::byte prefix[kPrefixBytes];
  EncodePrefix({header.size(), payload.size()}, absl::MakeSpan(prefix));
  return absl::StrCat(std::string(reinterpret_cast<const char*>(prefix), kPrefixBytes), header,
                      payload);
}

// A bare socket that says to a server what it likes.
class RawClient {
 public:
  explicit RawClient(const Uri& uri) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(*uri.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience = {.tv_sec = 60, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0)
        << strerror(errno);
  }
  ~RawClient() { Close(); }
  void Write(const std::string& bytes) {
    EXPECT_EQ(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  std::string Read(size_t bytes) {
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
  // True once the server has closed.
  bool AwaitClosed() {
    char byte;
    const ssize_t got = recv(socket_, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }
  void ShutDownWriting() { shutdown(socket_, SHUT_WR); }
  void Reset() {
    const linger abort = {.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    Close();
  }
  void Close() {
    if (socket_ >= 0) close(std::exchange(socket_, -1));
  }

 private:
  int socket_;
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_RAW_CLIENT_H_
