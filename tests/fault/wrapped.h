// A client and a server over one wrapped transport, for tests of the fault decorator itself.

#ifndef TIDEWAY_TESTS_FAULT_WRAPPED_H_
#define TIDEWAY_TESTS_FAULT_WRAPPED_H_

#include <algorithm>
#include <bit>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/conformance/transport_probe.h"
#include "tests/fault/builtin_entry.h"
#include "tideway/fault_transport.h"

namespace tideway::testing {

// How many bits differ between two texts of one size.
inline int BitsThatDiffer(const std::string& a, const std::string& b) {
  EXPECT_EQ(a.size(), b.size());
  int bits = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    bits += std::popcount(static_cast<unsigned char>(a[i] ^ b[i]));
  }
  return bits;
}

// A client and a server whose transports are wrapped under one control, and a connection between them.
class Wrapped {
 public:
  explicit Wrapped(const std::string& transport, const FaultPlan& plan = {},
                   bool in_virtual_time = false)
      : scheme_(transport), world_(Entry(transport, plan, control, in_virtual_time)) {
    listener_ = *world_.server().Listen(Address(), [this](std::shared_ptr<Connection> connection) {
      auto peer = std::make_shared<Peer>(world_, world_.server_rule());
      absl::MutexLock lock(&world_.mutex());
      servers.push_back(peer);
      to_clients.push_back(std::move(connection));
      return peer;
    });
  }

  // What connecting brought: another client and server, at the ends of the vectors.
  absl::Status Connect() {
    auto completion = world_.NewCompletion();
    auto peer = std::make_shared<Peer>(world_, world_.client_rule());
    const size_t before = servers.size();
    auto connection = std::make_shared<std::shared_ptr<Connection>>();
    Calling([&] {
      world_.client().Connect(listener_->address(), world_.Soon(), peer,
                              [this, completion, connection](auto result) {
                                InCallback in_callback(world_.client_rule());
                                absl::MutexLock lock(&world_.mutex());
                                ++completion->fired;
                                completion->status = result.status();
                                if (result.ok()) *connection = *std::move(result);
                              });
    });
    const absl::Status status = StatusOf(completion);
    if (!status.ok()) return status;
    EXPECT_TRUE(world_.Await([&] { return servers.size() > before; }));
    clients.push_back(peer);
    to_servers.push_back(*connection);
    return status;
  }

  std::shared_ptr<Completion> Send(const std::string& header, const std::string& payload,
                                   absl::Duration timeout = kPatience, size_t client = 0) {
    return clients[client]->Send(*to_servers[client], header, payload, world_.Soon(timeout));
  }
  absl::Status StatusOf(const std::shared_ptr<Completion>& completion) {
    EXPECT_TRUE(world_.AwaitFired(completion)) << "a completion did not come";
    absl::MutexLock lock(&world_.mutex());
    return completion->status;
  }
  absl::Status AwaitClosed(Peer& peer) {
    EXPECT_TRUE(world_.Await([&] { return peer.close_reason.has_value(); }));
    absl::MutexLock lock(&world_.mutex());
    return peer.close_reason.value_or(absl::UnknownError("OnClosed did not come"));
  }
  bool AwaitReceived(size_t count, size_t server = 0) {
    return world_.Await([&] { return servers[server]->received_count >= count; });
  }
  size_t received(size_t server = 0) {
    absl::MutexLock lock(&world_.mutex());
    return servers[server]->received_count;
  }
  World& world() { return world_; }

  FaultControl control;
  std::vector<std::shared_ptr<Peer>> clients, servers;
  std::vector<std::shared_ptr<Connection>> to_servers, to_clients;

 private:
  Uri Address() const { return *Uri::Parse(scheme_ + "://127.0.0.1:0"); }

  static TransportEntry Entry(const std::string& name, const FaultPlan& plan,
                              const FaultControl& control, bool in_virtual_time) {
    TransportEntry entry = WithFaults(BuiltinEntry(name), plan, control);
    if (!in_virtual_time) return entry;
    entry.probe = [probe = std::move(entry.probe)] {
      TransportInfo info = probe();
      info.real_time = false;
      return info;
    };
    return entry;
  }

  const std::string scheme_;
  World world_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_FAULT_WRAPPED_H_
