// A peer that is there, reads from our memory, and stands still: whoever closes gets its memory back in bounded time, nobody reads it
// then, and the peer's own reads end once it moves again.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/transport_probe.h"
#include "transports/libfabric/provider.h"

namespace tideway::libfabric {

TransportEntry Entry();

namespace {

using testing::Calling;
using testing::Completion;
using ::testing::HasSubstr;
using testing::kPatience;
using testing::Peer;
using testing::World;

// Providers that answer a read with this process's processor, from memory that must be there until it is answered.
std::vector<std::string> Schemes() {
  std::vector<std::string> schemes;
  for (const Provider& provider : Providers()) {
    if (!provider.one_sided && GetInfo(provider, "").ok()) schemes.emplace_back(provider.scheme);
  }
  return schemes;
}

class OfiStuckPeerTest : public ::testing::TestWithParam<std::string> {
 protected:
  struct Client {
    std::shared_ptr<Peer> peer = nullptr;
    std::shared_ptr<Connection> connection = nullptr;
  };

  void SetUp() override {
    auto listening =
        world_.server().Listen(*Uri::Parse(absl::StrCat(GetParam(), "://127.0.0.1:0")),
                               [this](std::shared_ptr<Connection> connection) {
                                 auto peer = std::make_shared<Peer>(world_, world_.server_rule());
                                 peer->on_message = [this](const std::string& header, size_t) {
                                   if (header == "hold") HoldProgress();
                                   return absl::OkStatus();
                                 };
                                 absl::MutexLock lock(&world_.mutex());
                                 servers_.push_back(peer);
                                 accepted_.push_back(std::move(connection));
                                 return peer;
                               });
    ASSERT_TRUE(listening.ok()) << listening.status();
    listener_ = *std::move(listening);
  }

  void TearDown() override {
    absl::MutexLock lock(&world_.mutex());
    accepted_.clear();
  }

  void HoldProgress() {
    held_.Notify();
    EXPECT_TRUE(go_on_.WaitForNotificationWithTimeout(kPatience));
  }

  Client NewClient() {
    Client client = {.peer = std::make_shared<Peer>(world_, world_.client_rule())};
    auto connected = world_.NewCompletion();
    world_.client().Connect(listener_->address(), world_.Soon(), client.peer,
                            [&](absl::StatusOr<std::shared_ptr<Connection>> connection) {
                              absl::MutexLock lock(&world_.mutex());
                              EXPECT_TRUE(connection.ok()) << connection.status();
                              if (connection.ok()) client.connection = *std::move(connection);
                              connected->fired = 1;
                            });
    EXPECT_TRUE(world_.AwaitFired(connected));
    return client;
  }

  absl::Status StatusOf(const std::shared_ptr<Completion>& completion) {
    EXPECT_TRUE(world_.AwaitFired(completion));
    absl::MutexLock lock(&world_.mutex());
    return completion->status;
  }

  absl::Status CloseReasonOf(Peer& peer) {
    EXPECT_TRUE(world_.Await([&] { return peer.close_reason.has_value(); }));
    absl::MutexLock lock(&world_.mutex());
    return peer.close_reason.value_or(absl::OkStatus());
  }

  std::vector<std::shared_ptr<Peer>> servers_;
  std::vector<std::shared_ptr<Connection>> accepted_;
  absl::Notification held_;
  absl::Notification go_on_;
  World world_{Entry()};
  std::unique_ptr<Listener> listener_;
};

INSTANTIATE_TEST_SUITE_P(Providers, OfiStuckPeerTest, ::testing::ValuesIn(Schemes()),
                         [](const ::testing::TestParamInfo<std::string>& scheme) {
                           return scheme.param.substr(4);
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OfiStuckPeerTest);

TEST_P(OfiStuckPeerTest, MemoryComesBackInTimeAndThePeersReadsEnd) {
  // Together more than the kernel's buffers hold, so that an answer is cut where the memory goes.
  std::vector<Client> readers;
  std::vector<std::shared_ptr<Completion>> sends;
  for (int i = 0; i < 3; ++i) readers.push_back(NewClient());
  const Client bystander = NewClient();
  for (const Client& reader : readers) {
    sends.push_back(
        reader.peer->Send(*reader.connection, "x", std::string(8 << 20, 'x'), world_.Soon()));
  }
  readers.back().peer->Send(*readers.back().connection, "hold", "", world_.Soon());
  ASSERT_TRUE(held_.WaitForNotificationWithTimeout(kPatience));

  for (const Client& reader : readers)
    Calling([&] { reader.connection->Close(absl::CancelledError("enough")); });
  for (const auto& send : sends) {
    const absl::Status status = StatusOf(send);  // the first ones may have been through
    EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
  }
  const absl::Status cut = CloseReasonOf(*bystander.peer);
  EXPECT_TRUE(absl::IsUnavailable(cut)) << cut;
  EXPECT_THAT(std::string(cut.message()), HasSubstr("opened anew"));

  go_on_.Notify();
  for (size_t i = 0; i < 4; ++i) EXPECT_FALSE(CloseReasonOf(*servers_[i]).ok());
  const Client again = NewClient();
  again.peer->Send(*again.connection, "x", std::string(1 << 20, 'y'), world_.Soon());
  EXPECT_TRUE(world_.Await([&] { return servers_.back()->received_count == 1; }));
  world_.ExpectAllFired();
}

}  // namespace
}  // namespace tideway::libfabric
