// Listening and connecting: addresses, refusals, and what a connection tells of itself.

#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "tests/conformance/transport_fixture.h"

namespace tideway::testing {
namespace {

TEST_P(Transports, ConnectingWhereNobodyListensIsUnavailable) {
  auto listener = Calling([&] { return world_->server().Listen(Address(), nullptr); });
  ASSERT_TRUE(listener.ok()) << listener.status();
  const Uri address = (*listener)->address();
  Calling([&] { listener->reset(); });
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  const absl::Status status = StatusOf(Connect(address, peer).first);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(peer.use_count(), 1) << "the receiver of a failed attempt is kept";
}

TEST_P(Transports, ANameThatLeadsNowhereIsUnavailable) {
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  const absl::Status status = StatusOf(Connect(Address("no-such-host.invalid:5000"), peer).first);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST_P(Transports, AnAttemptWhoseDeadlineHasPassedIsGivenUp) {
  auto listener =
      world_->server().Listen(Address(), [](std::shared_ptr<Connection>) { return nullptr; });
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  const absl::Status status = StatusOf(
      Connect((*listener)->address(), peer, world_->Soon(-absl::Seconds(1)), world_->client())
          .first);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

TEST_P(Transports, AnUnknownParameterIsRefusedWithTheKnownOnes) {
  const Uri uri = Address("127.0.0.1:0?no_such_parameter=1");
  auto listener = Calling([&] { return world_->server().Listen(uri, nullptr); });
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kInvalidArgument) << listener.status();
  EXPECT_TRUE(absl::StrContains(listener.status().message(), "no_such_parameter"))
      << listener.status();
  EXPECT_TRUE(absl::StrContains(listener.status().message(), "; it has ")) << listener.status();
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  const absl::Status status =
      StatusOf(Connect(Address("127.0.0.1:1?no_such_parameter=1"), peer).first);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
}

TEST_P(Transports, AnAddressOfAnotherTransportIsRefused) {
  const Uri uri = *Uri::Parse("other://127.0.0.1:5000");
  EXPECT_EQ(world_->server().Listen(uri, nullptr).status().code(),
            absl::StatusCode::kInvalidArgument);
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  EXPECT_EQ(StatusOf(Connect(uri, peer).first).code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(Transports, PortZeroBecomesARealPortThatIsFreeAndReported) {
  auto first = world_->server().Listen(Address(), nullptr);
  auto second = world_->server().Listen(Address(), nullptr);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_NE((*first)->address().port.value_or(0), 0);
  EXPECT_NE((*first)->address().port, (*second)->address().port);
}

TEST_P(Transports, ATakenAddressIsAlreadyThereAndFreeOnceItsListenerIsGone) {
  auto first = world_->server().Listen(Address(), nullptr);
  ASSERT_TRUE(first.ok()) << first.status();
  const Uri address = (*first)->address();
  EXPECT_EQ(world_->server().Listen(address, nullptr).status().code(),
            absl::StatusCode::kAlreadyExists);
  first->reset();
  auto again = world_->server().Listen(address, nullptr);
  EXPECT_TRUE(again.ok()) << again.status();
}

TEST_P(Transports, AListenersEndLeavesItsConnectionsAlive) {
  Pair pair = Connected();  // its listener is gone by now
  pair.client->Send(*pair.to_server, "hello", "", world_->Soon());
  EXPECT_TRUE(AwaitReceived(*pair.server, 1));
}

TEST_P(Transports, ARefusedConnectionIsClosedForThePeer) {
  auto listener =
      world_->server().Listen(Address(), [](std::shared_ptr<Connection>) { return nullptr; });
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  auto [completion, connection] = Connect((*listener)->address(), peer);
  if (!StatusOf(completion).ok()) return;  // refused before it stood: as good
  EXPECT_EQ(AwaitClosed(*peer).code(), absl::StatusCode::kUnavailable);
}

TEST_P(Transports, AConnectionLivesOnWithoutItsHandle) {
  Pair pair = Connected();
  pair.client->Send(*pair.to_server, "last words", "", world_->Soon());
  pair.to_server.reset();
  EXPECT_TRUE(AwaitReceived(*pair.server, 1));
  pair.server->Send(*pair.to_client, "I hear you", "", world_->Soon());
  EXPECT_TRUE(AwaitReceived(*pair.client, 1));
}

TEST_P(Transports, TheProcesssSignalHandlersStayAsTheyAre) {
  const Pair pair = Connected();
  pair.client->Send(*pair.to_server, "x", std::string(1 << 20, 'x'), world_->Soon());
  ASSERT_TRUE(AwaitReceived(*pair.server, 1));
  const auto now = SignalHandlers();
  ASSERT_EQ(now.size(), SignalHandlersAtStart().size());
  for (size_t signal = 1; signal < now.size(); ++signal)
    EXPECT_EQ(now[signal].sa_handler, SignalHandlersAtStart()[signal].sa_handler)
        << strsignal(static_cast<int>(signal));
}

TEST_P(Transports, AConnectionTellsWhatItIs) {
  Pair pair = Connected();
  EXPECT_EQ(pair.to_server->info().transport, info_.name);
  EXPECT_FALSE(pair.to_server->info().local.empty());
  EXPECT_EQ(pair.to_server->info().local, pair.to_client->info().peer);
  EXPECT_EQ(pair.to_server->info().peer, pair.to_client->info().local);
}

}  // namespace
}  // namespace tideway::testing
