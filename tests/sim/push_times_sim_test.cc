// The times of a push's stages over a link whose speed is known, in virtual time: what each end tells is exactly what the link takes.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sim/sim_pair.h"

namespace tideway {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr size_t kElements = 12288;  // three fragments
constexpr size_t kFragmentBytes = 16384;
constexpr absl::Duration kLatency = absl::Milliseconds(10);

class PushTimes : public ::testing::Test, protected testing::SimPair {
 protected:
  PushTimes() : SimPair(kElements, kFragmentBytes) {}

  void Start(const std::string& codec, bool ask) {
    ServerOptions server_options;
    ClientOptions client_options = {.codec_up = codec};
    if (ask) {
      server_options.on_push_times = [this](const ServerPushTimes& times) {
        EXPECT_TRUE(at_server_.emplace(times.sequence, times).second);
      };
      client_options.on_push_times = [this](const ClientPushTimes& times) {
        at_client_.push_back(times);
      };
    }
    SimPair::Start({.latency = kLatency, .bytes_per_second = 1e6}, std::move(server_options),
                   std::move(client_options));
  }

  void Push() { SimPair::Push(std::vector<float>(kElements, 1.0f)); }

  std::map<uint64_t, ServerPushTimes> at_server_;  // by sequence
  std::vector<ClientPushTimes> at_client_;
};

TEST_F(PushTimes, BothEndsTellEveryStageOfEveryFragmentInOrder) {
  Start("int8", /*ask=*/true);
  const absl::Time before = executor_.Now();
  Push();
  ASSERT_THAT(at_client_, SizeIs(3));
  ASSERT_THAT(at_server_, SizeIs(3));
  for (const ClientPushTimes& client : at_client_) {
    ASSERT_TRUE(at_server_.contains(client.sequence));
    const ServerPushTimes& server = at_server_[client.sequence];
    EXPECT_EQ(server.fragment, client.fragment);
    EXPECT_GT(client.bytes, kFragmentBytes / 4);
    EXPECT_LT(client.bytes, kFragmentBytes / 3);
    EXPECT_EQ(client.begun, before);
    EXPECT_LE(client.begun, client.encode_begun);
    EXPECT_LE(client.encode_begun, client.encoded);
    EXPECT_GE(server.arrived - client.encoded, kLatency);
    EXPECT_LE(server.arrived, server.landed);
    EXPECT_LE(server.landed, server.apply_begun);
    EXPECT_LE(server.apply_begun, server.decoded);
    EXPECT_LE(server.decoded, server.stepped);
    EXPECT_GE(client.acknowledged - server.stepped, kLatency);
    EXPECT_LT(client.acknowledged - server.stepped, 2 * kLatency);
  }
  // One byte takes a microsecond, and the fragments share the link.
  const absl::Duration all = at_client_.back().acknowledged - before;
  EXPECT_GE(all, absl::Microseconds(3 * kFragmentBytes / 4) + 2 * kLatency);
}

TEST_F(PushTimes, OfASparseDeltaDecodingIsAdding) {
  Start("topk:density=0.01", /*ask=*/true);
  Push();
  ASSERT_THAT(at_server_, SizeIs(3));
  for (const auto& [sequence, times] : at_server_) {
    EXPECT_EQ(times.decoded, times.stepped);
    EXPECT_GT(times.decoded, times.arrived);
  }
}

TEST_F(PushTimes, WhoDoesNotAskIsToldNothing) {
  Start("identity", /*ask=*/false);
  Push();
  EXPECT_THAT(at_client_, IsEmpty());
  EXPECT_THAT(at_server_, IsEmpty());
}

}  // namespace
}  // namespace tideway
