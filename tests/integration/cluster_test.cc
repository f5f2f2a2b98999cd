// Servers and clients together, over tcp, when everybody behaves.

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"

namespace tideway {
namespace {

using ::testing::HasSubstr;
using ::tideway::testing::Cluster;
using ::tideway::testing::Peer;

constexpr size_t kElements = 1000;

std::vector<float> Filled(float value) { return std::vector<float>(kElements, value); }

Layout SmallLayout(uint32_t servers = 1) {
  return *Layout::Create({{"w", {static_cast<int64_t>(kElements)}}},
                         {.fragment_bytes_max = 1024, .servers = servers});
}

ServerOptions Sgd() { return {.outer_optimizer = "sgd:lr=1"}; }

absl::StatusOr<Assignment> NextAssignment(Peer& peer, const Arrival* arrival = nullptr) {
  return AwaitResult<Assignment>([&](auto done) {
    peer.client->NextAssignment(arrival, tideway::testing::Soon(*peer.runtime), std::move(done));
  });
}

TEST(ClusterTest, APullSeesWhatTheSameClientPushed) {
  Cluster cluster(SmallLayout(3), Sgd(), Filled(5.0f));
  Peer peer(cluster, {.worker = "w"});
  ASSERT_TRUE(peer.Join().ok());
  std::vector<float> theta(kElements);
  for (int i = 1; i <= 20; ++i) {
    ASSERT_TRUE(peer.Push(Filled(1.0f)).ok());
    auto pull = peer.Pull(absl::MakeSpan(theta));
    ASSERT_TRUE(pull.ok()) << pull.status();
    EXPECT_EQ(pull->version_min, static_cast<uint64_t>(i));
    ASSERT_EQ(theta, Filled(5.0f - static_cast<float>(i)));
  }
}

TEST(ClusterTest, ParametersTravelDownInTheCodecThatWasAskedFor) {
  Cluster cluster(SmallLayout(), Sgd(), Filled(1.00390625f));  // not a bf16
  Peer peer(cluster, {.worker = "w", .codec_down = "bf16"});
  ASSERT_TRUE(peer.Join().ok());
  std::vector<float> theta(kElements);
  auto pull = peer.Pull(absl::MakeSpan(theta));
  ASSERT_TRUE(pull.ok()) << pull.status();
  EXPECT_EQ(theta, Filled(1.0f));
  EXPECT_LT(pull->bytes, pull->bytes_fp32 * 0.51);
}

TEST(ClusterTest, WorkersOfOneWindowStartFromTheSameParametersWhateverIsPushedBetween) {
  Cluster cluster(SmallLayout(2), Sgd(), Filled(0.0f));
  Peer a(cluster, {.worker = "a"});
  Peer b(cluster, {.worker = "b"});
  ASSERT_TRUE(a.Join().ok());
  ASSERT_TRUE(b.Join().ok());
  std::vector<float> theta_a(kElements);
  std::vector<float> theta_b(kElements);
  ASSERT_TRUE(a.Pull(absl::MakeSpan(theta_a), 7).ok());
  ASSERT_TRUE(a.Push(Filled(1.0f)).ok());
  ASSERT_TRUE(b.Pull(absl::MakeSpan(theta_b), 7).ok());
  EXPECT_EQ(theta_b, theta_a);
  ASSERT_TRUE(b.Pull(absl::MakeSpan(theta_b), 8).ok());
  EXPECT_EQ(theta_b, Filled(-1.0f));
}

TEST(ClusterTest, StalenessIsCountedInVersions) {
  Cluster cluster(SmallLayout(), Sgd(), Filled(0.0f));
  Peer a(cluster, {.worker = "a"});
  Peer b(cluster, {.worker = "b"});
  ASSERT_TRUE(a.Join().ok());
  ASSERT_TRUE(b.Join().ok());
  std::vector<float> theta(kElements);
  ASSERT_TRUE(b.Pull(absl::MakeSpan(theta)).ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(a.Push(Filled(1.0f)).ok());
  auto push = b.Push(Filled(1.0f));
  ASSERT_TRUE(push.ok());
  EXPECT_EQ(push->staleness_max, 3u);
  const ServerStats stats = cluster.servers[0]->stats();
  EXPECT_EQ(stats.workers[1].staleness_max, 3u);
  EXPECT_EQ(stats.staleness_histogram[3], push->fragments);
}

TEST(ClusterTest, WhatIsRejectedAsStaleComesWithTheNextPush) {
  ServerOptions options = Sgd();
  options.staleness = "bound:max=0";
  Cluster cluster(SmallLayout(), options, Filled(0.0f));
  Peer a(cluster, {.worker = "a", .codec_up = "int8"});
  Peer b(cluster, {.worker = "b", .codec_up = "int8"});
  ASSERT_TRUE(a.Join().ok());
  ASSERT_TRUE(b.Join().ok());
  std::vector<float> theta(kElements);
  ASSERT_TRUE(b.Pull(absl::MakeSpan(theta)).ok());
  ASSERT_TRUE(a.Push(Filled(1.0f)).ok());
  auto stale = b.Push(Filled(2.0f));
  ASSERT_TRUE(stale.ok());
  EXPECT_EQ(stale->rejected, stale->fragments);
  for (float value : cluster.Parameters()) EXPECT_NEAR(value, -1.0f, 1e-5f);
  ASSERT_TRUE(b.Pull(absl::MakeSpan(theta)).ok());
  auto fresh = b.Push(Filled(0.0f));
  ASSERT_TRUE(fresh.ok());
  EXPECT_EQ(fresh->applied, fresh->fragments);
  for (float value : cluster.Parameters()) EXPECT_NEAR(value, -3.0f, 1e-5f);
}

TEST(ClusterTest, ANanIsRefusedWithItsTensorAndNothingIsSent) {
  Cluster cluster(SmallLayout(), Sgd(), Filled(0.0f));
  Peer peer(cluster, {.worker = "w"});
  ASSERT_TRUE(peer.Join().ok());
  std::vector<float> delta = Filled(1.0f);
  delta[999] = std::numeric_limits<float>::quiet_NaN();
  auto push = peer.Push(delta);
  EXPECT_EQ(push.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(push.status().message()), HasSubstr("w"));
  EXPECT_EQ(cluster.Parameters(), Filled(0.0f));
  EXPECT_TRUE(peer.Push(Filled(1.0f)).ok());
}

TEST(ClusterTest, AModelThatDoesNotMatchIsRefusedInOneSentence) {
  Cluster cluster(SmallLayout(), Sgd(), Filled(0.0f));
  cluster.layout =
      *Layout::Create({{"other", {static_cast<int64_t>(kElements)}}}, {.fragment_bytes_max = 1024});
  Peer peer(cluster, {.worker = "w"});
  const absl::Status joined = peer.Join();
  EXPECT_EQ(joined.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(joined.message()), HasSubstr("does not match"));
}

TEST(ClusterTest, ServersGivenInTheWrongOrderAreNoticed) {
  Cluster cluster(SmallLayout(2), Sgd(), Filled(0.0f));
  std::swap(cluster.uris[0], cluster.uris[1]);
  Peer peer(cluster, {.worker = "w"});
  EXPECT_THAT(std::string(peer.Join().message()), HasSubstr("in the order of their indices"));
}

TEST(ClusterTest, ANewerIncarnationFencesTheOlder) {
  Cluster cluster(SmallLayout(), Sgd(), Filled(0.0f));
  Peer old_life(cluster, {.worker = "w"});
  ASSERT_TRUE(old_life.Join().ok());
  Peer new_life(cluster, {.worker = "w"});
  ASSERT_TRUE(new_life.Join().ok());
  EXPECT_EQ(old_life.Push(Filled(1.0f)).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(new_life.Push(Filled(1.0f)).ok());
  EXPECT_EQ(cluster.Parameters(), Filled(-1.0f));
}

TEST(ClusterTest, AnObserverPullsAndReadsButIsNoWorker) {
  Cluster cluster(SmallLayout(), Sgd(), Filled(3.0f));
  Peer observer(cluster, {.observer = true});
  ASSERT_TRUE(observer.Join().ok());
  std::vector<float> theta(kElements);
  ASSERT_TRUE(observer.Pull(absl::MakeSpan(theta)).ok());
  EXPECT_EQ(theta, Filled(3.0f));
  auto stats = observer.Stats();
  ASSERT_TRUE(stats.ok());
  EXPECT_TRUE(stats->workers.empty());
  EXPECT_FALSE(observer.Push(Filled(1.0f)).ok());
}

TEST(ClusterTest, TheLeaderHandsOutWorkUntilTheTargetIsReached) {
  ServerOptions options = Sgd();
  options.scheduling = {.inner_steps = 10, .inner_steps_total = 35};
  Cluster cluster(SmallLayout(), options, Filled(0.0f));
  Peer peer(cluster, {.worker = "w"});
  ASSERT_TRUE(peer.Join().ok());
  auto assignment = NextAssignment(peer);
  uint32_t steps = 0;
  while (assignment.ok() && !assignment->finished) {
    steps += assignment->inner_steps;
    const Arrival arrival{.inner_steps = assignment->inner_steps, .busy_seconds = 0.01};
    assignment = NextAssignment(peer, &arrival);
  }
  ASSERT_TRUE(assignment.ok()) << assignment.status();
  EXPECT_EQ(steps, 35u);
  const ServerStats stats = cluster.servers[0]->stats();
  EXPECT_TRUE(stats.finished);
  EXPECT_EQ(stats.steps_finished, 35u);
  EXPECT_EQ(stats.workers[0].cycles, 4u);
}

class Recovery : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(dir_); }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  // Tests run in parallel processes: each has a folder of its own.
  const std::string dir_ =
      absl::StrCat(::testing::TempDir(), "tideway_recovery_",
                   ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(Recovery, AServerGoesOnFromItsSnapshot) {
  ServerOptions options{.outer_optimizer = "nesterov:lr=0.5,momentum=0.9", .snapshot_dir = dir_};
  const Layout layout = SmallLayout();
  std::vector<float> expected;
  {
    Cluster cluster(layout, options, Filled(0.0f));
    Peer peer(cluster, {.worker = "w"});
    ASSERT_TRUE(peer.Join().ok());
    ASSERT_TRUE(peer.Push(Filled(1.0f)).ok());
    auto snapshot = cluster.servers[0]->Snapshot();
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    ASSERT_TRUE(peer.Push(Filled(1.0f)).ok());
    expected = cluster.Parameters();
  }
  auto runtime = tideway::testing::NewRuntime();
  auto server = Server::Recover(runtime.get(), options, layout);
  ASSERT_TRUE(server.ok()) << server.status();
  Cluster cluster(layout, options, Filled(0.0f));
  cluster.uris = (*server)->addresses();
  Peer peer(cluster, {.worker = "w"});
  ASSERT_TRUE(peer.Join().ok());
  ASSERT_TRUE(peer.Push(Filled(1.0f)).ok());
  std::vector<float> theta(kElements);
  ASSERT_TRUE((*server)->ReadParameters(absl::MakeSpan(theta)).ok());
  EXPECT_EQ(theta, expected) << "the momentum was recovered too";
}

TEST_F(Recovery, WithoutASnapshotThereIsNothingToGoOnFrom) {
  auto runtime = tideway::testing::NewRuntime();
  EXPECT_EQ(Server::Recover(runtime.get(), {.snapshot_dir = dir_}, SmallLayout()).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(Recovery, AnotherOptimizerIsRefused) {
  const Layout layout = SmallLayout();
  {
    Cluster cluster(layout, {.outer_optimizer = "sgd:lr=1", .snapshot_dir = dir_}, Filled(0.0f));
    ASSERT_TRUE(cluster.servers[0]->Snapshot().ok());
  }
  auto runtime = tideway::testing::NewRuntime();
  EXPECT_EQ(Server::Recover(runtime.get(), {.outer_optimizer = "sgd:lr=0.5", .snapshot_dir = dir_},
                            layout)
                .status()
                .code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ServerTest, OptionsThatCannotWorkAreOneSentence) {
  auto runtime = tideway::testing::NewRuntime();
  const auto start = [&](ServerOptions options) {
    return Server::Start(runtime.get(), std::move(options), SmallLayout(), Filled(0.0f)).status();
  };
  EXPECT_THAT(std::string(start({.outer_optimizer = "adam"}).message()), HasSubstr("nesterov"));
  EXPECT_THAT(std::string(start({.staleness = "drop"}).message()), HasSubstr("bound"));
  EXPECT_THAT(std::string(start({.listen = {"carrier-pigeon://x"}}).message()), HasSubstr("tcp"));
  EXPECT_THAT(std::string(start({.listen = {"tcp"}}).message()), HasSubstr("tcp"));
  EXPECT_FALSE(start({.server_index = 1}).ok());
  EXPECT_FALSE(start({.scheduling = {.inner_steps = 0}}).ok());
}

}  // namespace
}  // namespace tideway
