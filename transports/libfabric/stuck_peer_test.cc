// A peer that is there, reads from our memory, and stands still: whoever closes gets its memory back in bounded time, nobody reads it
// then, and the peer's own reads end once it moves again.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/hostile_fixture.h"
#include "transports/libfabric/provider.h"

namespace tideway::libfabric {

TransportEntry Entry();

namespace {

using testing::Calling;
using testing::Completion;
using ::testing::HasSubstr;
using testing::kPatience;
using testing::Peer;

// Providers that answer a read with this process's processor, from memory that must be there until it is answered.
std::vector<std::string> Schemes() {
  std::vector<std::string> schemes;
  for (const Provider& provider : Providers()) {
    if (!provider.one_sided && GetInfo(provider, "").ok()) schemes.emplace_back(provider.scheme);
  }
  return schemes;
}

// The well-behaved connection shares the endpoints of those that are closed.
class OfiStuckPeerTest : public ::testing::TestWithParam<std::string>,
                         protected testing::HostileFixture {
 protected:
  OfiStuckPeerTest() : HostileFixture(Entry()) {}

  void SetUp() override {
    on_message_ = [this](const std::string& header, size_t) {
      if (header == "hold") HoldProgress();
      return absl::OkStatus();
    };
    Begin(*Uri::Parse(absl::StrCat(GetParam(), "://127.0.0.1:0")));
  }

  void TearDown() override {
    absl::MutexLock lock(&world_.mutex());
    connections_.clear();
  }

  void HoldProgress() {
    held_.Notify();
    EXPECT_TRUE(go_on_.WaitForNotificationWithTimeout(kPatience));
  }

  std::shared_ptr<Connection> Connect(const std::shared_ptr<Peer>& peer) {
    const Outcome outcome = ConnectTo(listener_->address(), peer);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    return outcome.connection;
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

  absl::Notification held_;
  absl::Notification go_on_;
};

INSTANTIATE_TEST_SUITE_P(Providers, OfiStuckPeerTest, ::testing::ValuesIn(Schemes()),
                         [](const ::testing::TestParamInfo<std::string>& scheme) {
                           return scheme.param.substr(4);
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OfiStuckPeerTest);

TEST_P(OfiStuckPeerTest, MemoryComesBackInTimeAndThePeersReadsEnd) {
  // Together more than the kernel's buffers hold, so that an answer is cut where the memory goes.
  std::vector<std::shared_ptr<Connection>> read;
  std::vector<std::shared_ptr<Peer>> readers;
  for (int i = 0; i < 3; ++i) {
    readers.push_back(NewClient());
    read.push_back(Connect(readers.back()));
  }
  std::vector<std::shared_ptr<Completion>> sends;
  for (size_t i = 0; i < readers.size(); ++i) {
    sends.push_back(readers[i]->Send(*read[i], "x", std::string(8 << 20, 'x'), world_.Soon()));
  }
  readers.back()->Send(*read.back(), "hold", "", world_.Soon());
  ASSERT_TRUE(held_.WaitForNotificationWithTimeout(kPatience));

  for (const auto& connection : read)
    Calling([&] { connection->Close(absl::CancelledError("enough")); });
  for (const auto& send : sends) {
    const absl::Status status = StatusOf(send);  // the first ones may have been through
    EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
  }
  const absl::Status cut = CloseReasonOf(*good_);
  EXPECT_TRUE(absl::IsUnavailable(cut)) << cut;
  EXPECT_THAT(std::string(cut.message()), HasSubstr("opened anew"));

  go_on_.Notify();
  for (size_t i = 0; i < 4; ++i) EXPECT_FALSE(CloseReasonOf(*peers_[i]).ok());
  const std::shared_ptr<Peer> again = NewClient();
  const std::shared_ptr<Connection> to_server = Connect(again);
  again->Send(*to_server, "x", std::string(1 << 20, 'y'), world_.Soon());
  EXPECT_TRUE(world_.Await([&] { return peers_.back()->received_count == 1; }));
  world_.ExpectAllFired();
}

}  // namespace
}  // namespace tideway::libfabric
