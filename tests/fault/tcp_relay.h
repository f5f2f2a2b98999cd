// TcpRelay: stands between clients and a server on loopback and passes bytes on, until it is told to break the connections with
// a reset (RST) and to take no new ones. So a test can break the network under a real connection.
//
// Threads: one that accepts and two per connection, all ended by the destructor. Break may be called from any thread.

#ifndef TIDEWAY_TESTS_FAULT_TCP_RELAY_H_
#define TIDEWAY_TESTS_FAULT_TCP_RELAY_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"

namespace tideway::testing {

class TcpRelay {
 public:
  explicit TcpRelay(uint16_t server_port)
      : server_port_(server_port), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = Loopback(0);
    socklen_t bytes = sizeof(address);
    EXPECT_EQ(bind(listener_, Generic(address), bytes), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    EXPECT_EQ(getsockname(listener_, Generic(address), &bytes), 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }

  ~TcpRelay() {
    Break();
    acceptor_.join();
    for (std::thread& pump : pumps_) pump.join();
    absl::MutexLock lock(&mutex_);
    for (int fd : all_) close(fd);
    close(listener_);
  }

  uint16_t port() const { return port_; }
  uint64_t bytes() const { return bytes_; }

  // Resets every connection; from now on, connecting is refused.
  void Break() {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(broken_, true)) return;
    shutdown(listener_, SHUT_RDWR);
    for (int fd : all_) Reset(fd);
  }

 private:
  static sockaddr* Generic(sockaddr_in& address) { return reinterpret_cast<sockaddr*>(&address); }

  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

  // Connecting a connected socket to nowhere makes the kernel send an RST, and wakes whoever waits on it.
  static void Reset(int fd) {
    sockaddr nowhere = {};
    nowhere.sa_family = AF_UNSPEC;
    EXPECT_EQ(connect(fd, &nowhere, sizeof(nowhere)), 0);
  }

  void Accept() {
    while (true) {
      const int from = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (from < 0) return;
      const int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address = Loopback(server_port_);
      absl::MutexLock lock(&mutex_);
      all_.insert(all_.end(), {from, to});
      if (broken_ || connect(to, Generic(address), sizeof(address)) != 0) {
        Reset(from);
        continue;
      }
      pumps_.emplace_back([this, from, to] { Pump(from, to); });
      pumps_.emplace_back([this, from, to] { Pump(to, from); });
    }
  }

  void Pump(int from, int to) {
    std::array<char, 1 << 16> buffer;
    ssize_t got = 0;
    while ((got = recv(from, buffer.data(), buffer.size(), 0)) > 0) {
      bytes_ += static_cast<uint64_t>(got);
      for (ssize_t sent = 0; sent < got;) {
        const ssize_t n =
            send(to, buffer.data() + sent, static_cast<size_t>(got - sent), MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += n;
      }
    }
    shutdown(to, SHUT_WR);
  }

  const uint16_t server_port_;
  const int listener_;
  uint16_t port_ = 0;
  std::atomic<uint64_t> bytes_{0};
  std::thread acceptor_;
  std::vector<std::thread> pumps_;  // the acceptor's, until it is joined
  absl::Mutex mutex_;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<int> all_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_FAULT_TCP_RELAY_H_
