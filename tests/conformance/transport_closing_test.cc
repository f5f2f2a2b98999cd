// Completions, and the end of a connection.

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/transport_fixture.h"

namespace tideway::testing {
namespace {

TEST_P(Transports, EveryCompletionFiresOnceAndNeverInsideTheCallWhileManyThreadsSend) {
  if (!info_.real_time)
    GTEST_SKIP() << info_.name << " runs in virtual time: one thread makes all calls";
  Pair pair = Connected([](Peer&, Peer& server) { server.keep = false; });
  constexpr size_t kEach = 500;
  std::vector<std::thread> senders;
  for (int t = 0; t < 4; ++t) {
    senders.emplace_back([&, t] {
      for (size_t i = 0; i < kEach; ++i) {
        pair.client->Send(*pair.to_server, absl::StrCat(t), std::string(i, 'x'), world_->Soon());
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_TRUE(AwaitReceived(*pair.server, 4 * kEach));
}  // World checks the rest

// A receiver that takes nothing before the gate opens, so that what is sent until then is pending.
std::function<void(Peer&, Peer&)> HeldBy(Gate& gate) {
  return [&gate](Peer&, Peer& server) {
    server.on_message = [&gate, first = true](const std::string&, size_t) mutable {
      if (std::exchange(first, false)) gate.Wait();
      return absl::OkStatus();
    };
  };
}

TEST_P(Transports, CloseFailsAllPendingWithItsReasonAndThePeerSeesItClosed) {
  Gate gate(*world_);
  Pair pair = Connected(HeldBy(gate));
  std::vector<std::shared_ptr<Completion>> sent;
  for (int i = 0; i < 8; ++i) {
    sent.push_back(
        pair.client->Send(*pair.to_server, "x", std::string(8 << 20, 'x'), world_->Soon()));
  }
  Calling([&] { pair.to_server->Close(absl::CancelledError("enough")); });
  Calling([&] { pair.to_server->Close(absl::InternalError("a second close does nothing")); });
  gate.Open();
  const absl::Status reason = AwaitClosed(*pair.client);
  EXPECT_EQ(reason, absl::CancelledError("enough"));
  for (const auto& completion : sent) {
    const absl::Status status = StatusOf(completion);
    EXPECT_TRUE(status.ok() || status == reason) << status;
  }
  EXPECT_EQ(StatusOf(sent.back()), reason);
  EXPECT_EQ(AwaitClosed(*pair.server).code(), absl::StatusCode::kUnavailable);
  const absl::Status late =
      StatusOf(pair.client->Send(*pair.to_server, "late", "", world_->Soon()));
  EXPECT_EQ(late.code(), absl::StatusCode::kCancelled) << late;
}

TEST_P(Transports, APeersEndFailsAllPendingOnceAndThenOnClosedComes) {
  Pair pair = Connected([](Peer&, Peer& server) {
    server.on_message = [](const std::string&, size_t) { return absl::OkStatus(); };
  });
  std::vector<std::shared_ptr<Completion>> sent;
  for (int i = 0; i < 16; ++i) {
    sent.push_back(
        pair.client->Send(*pair.to_server, "x", std::string(4 << 20, 'x'), world_->Soon()));
  }
  ASSERT_TRUE(AwaitReceived(*pair.server, 1));
  Calling([&] { pair.to_client->Close(absl::CancelledError("the server goes")); });
  EXPECT_EQ(AwaitClosed(*pair.client).code(), absl::StatusCode::kUnavailable);
  for (const auto& completion : sent) {
    const absl::Status status = StatusOf(completion);
    EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kUnavailable) << status;
  }
}

TEST_P(Transports, AnErrorOfOnMessageClosesTheConnectionWithThatReason) {
  Pair pair = Connected([](Peer&, Peer& server) {
    server.on_message = [](const std::string& header, size_t) {
      return header == "bad" ? absl::InvalidArgumentError("I don't understand") : absl::OkStatus();
    };
  });
  pair.client->Send(*pair.to_server, "good", "", world_->Soon());
  pair.client->Send(*pair.to_server, "bad", "payload", world_->Soon());
  pair.client->Send(*pair.to_server, "good", "", world_->Soon());
  EXPECT_EQ(AwaitClosed(*pair.server), absl::InvalidArgumentError("I don't understand"));
  EXPECT_EQ(AwaitClosed(*pair.client).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(pair.server->received_count, 1u);
}

TEST_P(Transports, ADestinationOfTheWrongSizeClosesTheConnection) {
  class Careless final : public Receiver {
   public:
    explicit Careless(World* world) : world_(world), landed(world->NewCompletion()) {}
    absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte>, size_t) override {
      return Landing{absl::MakeSpan(place_), world_->Watched(landed, world_->server_rule())};
    }
    void OnClosed(const absl::Status&) override {}

   private:
    World* const world_;
    std::array<std::byte, 4> place_;

   public:
    const std::shared_ptr<Completion> landed;
  };
  auto careless = std::make_shared<Careless>(world_.get());
  auto listener =
      world_->server().Listen(Address(), [&](std::shared_ptr<Connection>) { return careless; });
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  auto [completion, connection] = Connect((*listener)->address(), peer);
  ASSERT_TRUE(StatusOf(completion).ok());
  peer->Send(**connection, "", std::string(100, 'x'), world_->Soon());
  EXPECT_EQ(StatusOf(careless->landed).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(AwaitClosed(*peer).code(), absl::StatusCode::kUnavailable);
}

TEST_P(Transports, CloseMayBeCalledFromEveryCallback) {
  {  // from OnMessage
    Pair pair;
    pair = Connected([&](Peer&, Peer& server) {
      server.on_message = [&](const std::string&, size_t) {
        absl::MutexLock lock(&world_->mutex());
        Calling([&] { pair.to_client->Close(absl::CancelledError("in OnMessage")); });
        return absl::OkStatus();
      };
    });
    pair.client->sends_race_close = true;
    for (int i = 0; i < 5; ++i) pair.client->Send(*pair.to_server, "x", "y", world_->Soon());
    EXPECT_EQ(AwaitClosed(*pair.server), absl::CancelledError("in OnMessage"));
    ExpectCloses(*pair.client);
    EXPECT_LE(pair.server->received_count, 1u) << "messages went on after Close";
  }
  {  // from a landing's done and from a send's done
    Pair pair = Connected();
    pair.server->on_landed = [&](const std::string&, const std::string&) {
      pair.to_client->Close(absl::CancelledError("in a landing's done"));
    };
    pair.client->Send(*pair.to_server, "x", "y", world_->Soon());
    EXPECT_EQ(AwaitClosed(*pair.server), absl::CancelledError("in a landing's done"));
  }
  {
    Pair pair = Connected();
    pair.client->Send(*pair.to_server, "x", "y", world_->Soon(), [&](const absl::Status&) {
      Calling([&] { pair.to_server->Close(absl::CancelledError("in a send's done")); });
    });
    const absl::Status reason = AwaitClosed(*pair.client);
    EXPECT_EQ(reason, absl::CancelledError("in a send's done"));
  }
  {  // from OnClosed, where it does nothing
    Pair pair = Connected();
    pair.client->on_closed = [&](const absl::Status&) {
      pair.to_server->Close(absl::CancelledError("again"));
    };
    pair.to_server->Close(absl::CancelledError("first"));
    EXPECT_EQ(AwaitClosed(*pair.client), absl::CancelledError("first"));
  }
  {  // from the accept handler
    auto peer = std::make_shared<Peer>(*world_, world_->server_rule());
    auto listener = world_->server().Listen(Address(), [&](std::shared_ptr<Connection> connection) {
      Calling([&] { connection->Close(absl::CancelledError("in accept")); });
      return peer;
    });
    auto client = std::make_shared<Peer>(*world_, world_->client_rule());
    auto connecting = Connect((*listener)->address(), client);
    EXPECT_EQ(AwaitClosed(*peer), absl::CancelledError("in accept"));
    if (StatusOf(connecting.first).ok()) ExpectCloses(*client);
  }
}

TEST_P(Transports, ASendFromADoneOfAClosingConnectionIsFailedBeforeOnClosed) {
  Gate gate(*world_);
  Pair pair = Connected(HeldBy(gate));
  auto again = std::make_shared<std::function<void(const absl::Status&)>>();
  std::atomic<int> rounds = 0;
  *again = [&](const absl::Status& status) {
    if (status.ok() || ++rounds > 3) return;
    pair.client->Send(*pair.to_server, "again", "", world_->Soon(), *again);
  };
  for (int i = 0; i < 8; ++i) {
    pair.client->Send(*pair.to_server, "x", std::string(8 << 20, 'x'), world_->Soon(), *again);
  }
  Calling([&] { pair.to_server->Close(absl::CancelledError("enough")); });
  gate.Open();
  ExpectCloses(*pair.client);  // Peer checks that no send was waiting then
  world_->ExpectAllFired();
  EXPECT_GE(rounds, 4);
}

}  // namespace
}  // namespace tideway::testing
