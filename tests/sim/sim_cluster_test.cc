// Eight workers and two servers, real code all of it, in virtual time: determinism, and exact sums through faults.
//
// Workers push whole numbers with codec identity and the outer optimizer is sgd with rate 1, so that the servers' parameters
// must equal minus the sum of everything pushed, to the last bit, whatever the network did.

#include "tests/sim/sim_cluster.h"

#include <functional>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "tideway/builtin_codecs.h"

namespace tideway::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SimClusterOptions Counting(uint64_t seed) {
  SimClusterOptions options;
  options.seed = seed;
  options.server.outer_optimizer = "sgd:lr=1";
  options.server.scheduling.inner_steps = 20;
  options.server.scheduling.inner_steps_total = 3000;
  options.server.scheduling.workers_to_begin = 8;
  options.server.scheduling.shard_sizes = {100, 200, 300, 400};
  options.server.scheduling.seed = 7;
  return options;
}

int64_t Acknowledged(const SimCluster& cluster) {
  int64_t sum = 0;
  for (const auto& worker : cluster.workers) sum += worker->acknowledged();
  return sum;
}

// For the message of a run that did not end: who hangs, and on what.
std::string Unfinished(const SimCluster& cluster) {
  std::string text;
  for (const auto& worker : cluster.workers) {
    if (!worker->finished()) {
      absl::StrAppend(&text, worker->name(), " after ", worker->exchanges(),
                      " exchanges: ", worker->error().ToString(), "\n");
    }
  }
  return text;
}

void StartAll(SimCluster& cluster) {
  for (auto& worker : cluster.workers) worker->Start();
}

// Every `period`, on average, `fault` happens to a random worker while the run lasts.
void Torment(SimCluster& cluster, absl::Duration period, std::function<void(SimWorker&)> fault) {
  const double share = 0.5 + static_cast<double>(cluster.executor.Random() % 1024) / 1024;
  cluster.executor.PostAt(cluster.executor.Now() + period * share, [&cluster, period, fault] {
    SimWorker& worker = *cluster.workers[cluster.executor.Random() % cluster.workers.size()];
    bool running = false;
    for (const auto& other : cluster.workers) running |= !other->finished();
    if (!running) return;
    if (!worker.finished()) fault(worker);
    Torment(cluster, period, fault);
  });
}

std::string LogOf(uint64_t seed) {
  SimCluster cluster(Counting(seed));
  StartAll(cluster);
  Torment(cluster, absl::Seconds(3),
          [&cluster](SimWorker& worker) { cluster.Reset(worker.name()); });
  EXPECT_TRUE(cluster.RunToTheEnd());
  return cluster.log();
}

TEST(SimCluster, TheSameSeedGivesTheSameEventLogByteForByteAndAnotherSeedAnother) {
  const std::string first = LogOf(11);
  EXPECT_GT(first.size(), 10000u);
  RecordProperty("log_hash",
                 std::to_string(std::hash<std::string>()(first)));  // to compare processes by
  EXPECT_EQ(first, LogOf(11));
  EXPECT_NE(first, LogOf(12));
}

TEST(SimCluster, TheServersHoldTheExactSumAndTheRunEndsAtItsTarget) {
  SimCluster cluster(Counting(21));
  StartAll(cluster);
  ASSERT_TRUE(cluster.RunToTheEnd()) << cluster.log();
  EXPECT_THAT(cluster.Parameters(), Each(-static_cast<float>(Acknowledged(cluster))));
  uint64_t steps = 0;
  for (const auto& worker : cluster.workers) {
    EXPECT_GT(worker->exchanges(), 1) << worker->name();
    steps += worker->inner_steps();
  }
  EXPECT_GE(steps, 3000u);
  EXPECT_LT(steps, 3000u + 8 * 20);
  EXPECT_TRUE(cluster.Stats(0).finished);
  for (uint32_t index = 0; index < 2; ++index) EXPECT_EQ(cluster.Stats(index).duplicates, 0u);
}

TEST(SimCluster, EveryWorkerOfAGraceWindowStartsFromTheSameParameters) {
  SimCluster cluster(Counting(31));
  StartAll(cluster);
  ASSERT_TRUE(cluster.RunToTheEnd());
  EXPECT_THAT(cluster.torn_windows, IsEmpty());
  EXPECT_GT(cluster.by_window.size(), 5u);
}

class SimFaults : public ::testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override { RecordProperty("seed", std::to_string(GetParam())); }
};

TEST_P(SimFaults, SumsStayExactThroughCutConnections) {
  SimClusterOptions options = Counting(GetParam());
  options.link.reset_probability = 0.02;  // in mid-message, too
  SimCluster cluster(options);
  StartAll(cluster);
  Torment(cluster, absl::Milliseconds(80),
          [&cluster](SimWorker& worker) { cluster.Reset(worker.name()); });
  ASSERT_TRUE(cluster.RunToTheEnd()) << "seed " << GetParam() << "\n" << Unfinished(cluster);
  EXPECT_THAT(cluster.Parameters(), Each(-static_cast<float>(Acknowledged(cluster))))
      << "seed " << GetParam();
  EXPECT_GT(cluster.Stats(0).duplicates + cluster.Stats(1).duplicates, 0u)
      << "the seed must lose an acknowledgement, or nothing was shown";
}

// The questions and the probes break as often as everything else.
TEST_P(SimFaults, SumsStayExactThroughCutConnectionsWhereThePathIsChosen) {
  SimClusterOptions options = Counting(GetParam());
  options.scheme = "auto";
  options.link.reset_probability = 0.02;
  SimCluster cluster(options);
  StartAll(cluster);
  Torment(cluster, absl::Milliseconds(400),
          [&cluster](SimWorker& worker) { cluster.Reset(worker.name()); });
  ASSERT_TRUE(cluster.RunToTheEnd()) << "seed " << GetParam() << "\n" << Unfinished(cluster);
  EXPECT_THAT(cluster.Parameters(), Each(-static_cast<float>(Acknowledged(cluster))))
      << "seed " << GetParam();
}

TEST_P(SimFaults, SumsStayExactThroughPartitionsShorterThanTheLease) {
  SimCluster cluster(Counting(GetParam()));
  StartAll(cluster);
  Torment(cluster, absl::Seconds(1), [&cluster](SimWorker& worker) {
    const std::string host = worker.name();
    cluster.Partition(host);
    const absl::Duration span = absl::Milliseconds(100 + cluster.executor.Random() % 5000);
    cluster.executor.PostAt(cluster.executor.Now() + span,
                            [&cluster, host] { cluster.Heal(host); });
  });
  ASSERT_TRUE(cluster.RunToTheEnd()) << "seed " << GetParam() << "\n" << Unfinished(cluster);
  EXPECT_THAT(cluster.Parameters(), Each(-static_cast<float>(Acknowledged(cluster))))
      << "seed " << GetParam();
}

TEST_P(SimFaults, SumsStayExactOverASlowNetworkThatBreaksInMidMessage) {
  SimClusterOptions options = Counting(GetParam());
  options.link = {.latency = absl::Milliseconds(80),
                  .jitter = absl::Milliseconds(200),
                  .bytes_per_second = 20000,
                  .reset_probability = 0.01};
  SimCluster cluster(options);
  StartAll(cluster);
  ASSERT_TRUE(cluster.RunToTheEnd()) << "seed " << GetParam() << "\n" << Unfinished(cluster);
  EXPECT_THAT(cluster.Parameters(), Each(-static_cast<float>(Acknowledged(cluster))))
      << "seed " << GetParam();
}

// A crash may catch a push half applied: of each push that a crash cut off, every fragment was counted once or not at all.
TEST_P(SimFaults, AWorkerThatDiesAndComesBackCountsEachFragmentAtMostOnce) {
  SimCluster cluster(Counting(GetParam()));
  StartAll(cluster);
  int crashes = 0;
  Torment(cluster, absl::Seconds(1), [&](SimWorker& worker) {
    if (!worker.alive() || crashes >= 12) return;
    ++crashes;
    worker.Crash();
    cluster.executor.PostAt(cluster.executor.Now() + absl::Seconds(11),
                            [&worker] { worker.Start(); });
  });
  ASSERT_TRUE(cluster.RunToTheEnd()) << "seed " << GetParam() << "\n" << Unfinished(cluster);
  EXPECT_GT(crashes, 3);
  std::set<int64_t> possible = {Acknowledged(cluster)};
  for (const auto& worker : cluster.workers) {
    for (int64_t value : worker->cut_off()) {
      std::set<int64_t> more;
      for (int64_t sum : possible) more.insert(sum + value);
      possible.insert(more.begin(), more.end());
    }
  }
  const std::vector<float> parameters = cluster.Parameters();
  for (const FragmentSpec& fragment : cluster.layout.fragments()) {
    const float value = parameters[fragment.offset];
    EXPECT_TRUE(possible.contains(static_cast<int64_t>(-value)))
        << "seed " << GetParam() << ": " << value;
    for (size_t i = 0; i < fragment.elements; ++i)
      EXPECT_EQ(parameters[fragment.offset + i], value);
  }
}

TEST_P(SimFaults, AWorkerThatIsAwayForLongerThanItsLeaseIsFencedAndTheOthersGoOn) {
  SimCluster cluster(Counting(GetParam()));
  StartAll(cluster);
  SimWorker& lost = *cluster.workers[3];
  cluster.executor.PostAt(cluster.executor.Now() + absl::Seconds(4),
                          [&] { cluster.Partition(lost.name()); });
  const bool ended = cluster.executor.RunUntilTrue(
      [&] {
        for (const auto& worker : cluster.workers) {
          if (worker.get() != &lost && !worker->finished()) return false;
        }
        return true;
      },
      cluster.executor.Now() + absl::Minutes(30));
  ASSERT_TRUE(ended) << "seed " << GetParam() << ": the others must not wait for ever";
  cluster.Heal(lost.name());
  cluster.executor.RunFor(absl::Minutes(2));
  EXPECT_FALSE(lost.finished());
  EXPECT_TRUE(absl::IsFailedPrecondition(lost.error()) || absl::IsUnavailable(lost.error()))
      << lost.error();
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimFaults, ::testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace tideway::testing
