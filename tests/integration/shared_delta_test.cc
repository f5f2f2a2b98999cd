// Pushes from shared memory to a real server: what it applies is what the worker wrote.

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tideway/shared_vector.h"

namespace tideway {
namespace {

using ::tideway::testing::Cluster;
using ::tideway::testing::Peer;

constexpr size_t kElements = 100000;
constexpr int kPushes = 50;

// A neighbour over shared memory, and one who is none.
class SharedDelta : public ::testing::TestWithParam<std::string> {
 protected:
  SharedDelta()
      : cluster_(*Layout::Create({{"w", {static_cast<int64_t>(kElements)}}},
                                 {.fragment_bytes_max = 32768, .servers = 2}),
                 {.listen = {GetParam()}, .outer_optimizer = "sgd:lr=1"},
                 std::vector<float>(kElements)) {}

  Cluster cluster_;
};

TEST_P(SharedDelta, EveryPushCountsOnceWithTheValuesThatItHad) {
  Peer peer(cluster_, {});
  ASSERT_TRUE(peer.Join().ok());
  auto delta = peer.client->NewDelta();
  ASSERT_TRUE(delta.ok()) << delta.status();
  float sum = 0;
  for (int i = 1; i <= kPushes; ++i) {
    std::fill(delta->span().begin(), delta->span().end(), static_cast<float>(i));
    const auto report = peer.Push(delta->span());
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->applied, report->fragments);
    EXPECT_EQ(report->bytes, kElements * sizeof(float));
    sum += static_cast<float>(i);
  }
  EXPECT_EQ(cluster_.Parameters(), std::vector<float>(kElements, -sum));
}

TEST_P(SharedDelta, TheMemoryMayGoBeforeTheServerAndAnotherOneTakesItsPlace) {
  Peer peer(cluster_, {});
  ASSERT_TRUE(peer.Join().ok());
  for (int i = 0; i < 20; ++i) {
    auto delta = peer.client->NewDelta();
    ASSERT_TRUE(delta.ok()) << delta.status();
    std::fill(delta->span().begin(), delta->span().end(), 1.0f);
    for (int again = 0; again < 3; ++again) ASSERT_TRUE(peer.Push(delta->span()).ok());
  }
  EXPECT_EQ(cluster_.Parameters(), std::vector<float>(kElements, -60.0f));
}

INSTANTIATE_TEST_SUITE_P(Over, SharedDelta,
                         ::testing::Values("ucx://127.0.0.1:0?tls=posix,sysv,cma",
                                           "tcp://127.0.0.1:0"),
                         [](const auto& over) { return over.index == 0 ? "SharedMemory" : "Tcp"; });

}  // namespace
}  // namespace tideway
