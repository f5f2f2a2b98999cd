// Stopping a transport.

#include <memory>
#include <string>
#include <vector>

#include "tests/conformance/transport_fixture.h"

namespace tideway::testing {
namespace {

TEST_P(Transports, StopFailsAllPendingReturnsAfterTheLastCallbackAndRefusesWhatComesLater) {
  auto listener = world_->server().Listen(Address(), nullptr);
  ASSERT_TRUE(listener.ok()) << listener.status();
  const Uri address = (*listener)->address();
  Pair pair = Connected();
  for (int i = 0; i < 8; ++i) {
    pair.client->Send(*pair.to_server, "x", std::string(8 << 20, 'x'), world_->Soon());
  }
  world_->client().Stop();
  EXPECT_EQ(*pair.client->sends_waiting, 0) << "a completion was still to come when Stop returned";
  {
    absl::MutexLock lock(&world_->mutex());
    ASSERT_TRUE(pair.client->close_reason.has_value())
        << "OnClosed was still to come when Stop returned";
    EXPECT_EQ(pair.client->close_reason->code(), absl::StatusCode::kCancelled);
  }
  if (world_->sim() == nullptr) ExpectCloses(*pair.server);
  EXPECT_EQ(world_->client().Listen(Address(), nullptr).status().code(),
            absl::StatusCode::kCancelled);
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  EXPECT_EQ(StatusOf(Connect(address, peer).first).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(StatusOf(pair.client->Send(*pair.to_server, "late", "", world_->Soon())).code(),
            absl::StatusCode::kCancelled);
  world_->client().Stop();  // once more does nothing
}

TEST_P(Transports, StopEndsAttemptsToConnect) {
  auto listener =
      world_->server().Listen(Address(), [](std::shared_ptr<Connection>) { return nullptr; });
  std::vector<std::shared_ptr<Completion>> attempts;
  for (int i = 0; i < 20; ++i) {
    auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
    attempts.push_back(Connect((*listener)->address(), peer).first);
  }
  world_->client().Stop();
  absl::MutexLock lock(&world_->mutex());
  for (const auto& attempt : attempts) EXPECT_EQ(attempt->fired, 1);
}

}  // namespace
}  // namespace tideway::testing
