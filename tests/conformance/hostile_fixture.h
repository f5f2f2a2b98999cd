// HostileFixture: for tests of what strangers do to a transport whose connections begin over a TCP socket: a server with one
// well-behaved connection, which must outlive all of it.
//
// Begin in SetUp, ExpectGoodOneLives in TearDown.

#ifndef TIDEWAY_TESTS_CONFORMANCE_HOSTILE_FIXTURE_H_
#define TIDEWAY_TESTS_CONFORMANCE_HOSTILE_FIXTURE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/conformance/transport_probe.h"
#include "transports/common/raw_peer.h"

namespace tideway::testing {

class HostileFixture {
 protected:
  struct Outcome {
    absl::Status status;
    std::shared_ptr<Connection> connection;
  };

  explicit HostileFixture(TransportEntry entry) : world_(std::move(entry)) {}

  void Begin(const Uri& uri) {
    auto listening = world_.server().Listen(uri, [this](std::shared_ptr<Connection> connection) {
      auto peer = std::make_shared<Peer>(world_, world_.server_rule());
      peer->on_message = on_message_;
      absl::MutexLock lock(&world_.mutex());
      peers_.push_back(peer);
      connections_.push_back(std::move(connection));
      return peer;
    });
    ASSERT_TRUE(listening.ok()) << listening.status();
    listener_ = *std::move(listening);
    good_ = NewClient();
    const Outcome outcome = ConnectTo(listener_->address(), good_);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    good_connection_ = outcome.connection;
    ASSERT_TRUE(world_.Await([&] { return peers_.size() == 1; }));
  }

  void ExpectGoodOneLives(const std::string& payload) {
    if (good_connection_ == nullptr) return;  // Begin has failed
    good_->Send(*good_connection_, "still here", payload, world_.Soon());
    EXPECT_TRUE(world_.Await([&] { return peers_[0]->received_count == 1; }));
    absl::MutexLock lock(&world_.mutex());
    connections_.clear();
  }

  std::shared_ptr<Peer> NewClient() { return std::make_shared<Peer>(world_, world_.client_rule()); }

  // `meanwhile` plays the other end.
  Outcome ConnectTo(const Uri& uri, const std::shared_ptr<Peer>& peer,
                    absl::Duration patience = kPatience,
                    const std::function<void()>& meanwhile = nullptr) {
    auto outcome = std::make_shared<Outcome>();
    auto done = world_.NewCompletion();
    world_.client().Connect(
        uri, world_.Soon(patience), peer,
        [this, outcome, done](absl::StatusOr<std::shared_ptr<Connection>> connection) {
          absl::MutexLock lock(&world_.mutex());
          outcome->status = connection.status();
          if (connection.ok()) outcome->connection = *std::move(connection);
          done->fired = 1;
        });
    if (meanwhile) meanwhile();
    EXPECT_TRUE(world_.AwaitFired(done));
    absl::MutexLock lock(&world_.mutex());
    return *outcome;
  }

  // What an attempt to connect to `server`, by the address `uri`, ends with if the server behaves like `play`.
  absl::Status AttemptAt(const RawServer& server, const Uri& uri,
                         const std::function<void(const RawSocket&)>& play,
                         absl::Duration patience = kPatience) {
    return ConnectTo(uri, NewClient(), patience,
                     [&] {
                       const RawSocket socket = server.Accept();
                       play(socket);
                     })
        .status;
  }

  RawSocket Stranger() const { return RawSocket::ConnectTo(*listener_->address().port); }

  // Of the server's peers; set before Begin.
  std::function<absl::Status(const std::string& header, size_t payload_bytes)> on_message_;
  std::vector<std::shared_ptr<Peer>> peers_;  // the server's
  std::vector<std::shared_ptr<Connection>> connections_;
  World world_;
  std::unique_ptr<Listener> listener_;
  std::shared_ptr<Peer> good_;
  std::shared_ptr<Connection> good_connection_;
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_CONFORMANCE_HOSTILE_FIXTURE_H_
