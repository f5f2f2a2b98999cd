// Exact sums and determinism under the fault decorator, in virtual time: eight workers and two servers over the simulated
// network, both ends of every connection wrapped.
//
// As in sim_cluster_test.cc, workers push whole numbers, so that a lost, doubled or damaged push shows in the sum.

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/sim/sim_cluster.h"
#include "tideway/fault_transport.h"

namespace tideway::testing {
namespace {

using ::testing::Each;

struct Case {
  const char* name;
  FaultKind kind;  // that must strike, or nothing is shown
  FaultPlan plan;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const Case kCases[] = {
    {"Delays", FaultKind::kDelay, {.delay_probability = 0.3, .delay_max = absl::Milliseconds(300)}},
    {"Stalls", FaultKind::kStall, {.stall_probability = 0.01, .stall = absl::Seconds(2)}},
    {"StallsForEver", FaultKind::kStall, {.stall_probability = 0.002}},
    {"Drops", FaultKind::kDrop, {.drop_probability = 0.01}},
    {"Resets", FaultKind::kReset, {.reset_probability = 0.01}},
    {"CorruptHeaders", FaultKind::kCorruptHeader, {.corrupt_header_probability = 0.01}},
    {"CorruptPayloads", FaultKind::kCorruptPayload, {.corrupt_payload_probability = 0.01}},
    {"Everything",
     FaultKind::kReset,
     {.delay_probability = 0.1,
      .delay_max = absl::Milliseconds(100),
      .stall_probability = 0.002,
      .stall = absl::Seconds(1),
      .drop_probability = 0.003,
      .reset_probability = 0.003,
      .corrupt_header_probability = 0.003,
      .corrupt_payload_probability = 0.003}},
};

SimClusterOptions Counting(uint64_t seed) {
  SimClusterOptions options;
  options.seed = seed;
  options.server.outer_optimizer = "sgd:lr=1";
  options.server.scheduling.inner_steps = 20;
  options.server.scheduling.inner_steps_total = 2000;
  options.server.scheduling.workers_to_begin = 8;
  options.server.scheduling.shard_sizes = {100, 200, 300, 400};
  options.server.scheduling.seed = 7;
  options.server.lease = absl::Seconds(60);
  return options;
}

// A run under faults, its sum checked; its log, if that is wanted, has the faults as well.
std::string LogOfRun(const Case& c, uint64_t seed) {
  FaultControl control;
  FaultPlan plan = c.plan;
  plan.seed = seed;
  SimClusterOptions options = Counting(seed);
  options.wrap = [plan, control](TransportEntry entry) {
    return WithFaults(std::move(entry), plan, control);
  };
  SimCluster cluster(std::move(options));
  control.SetObserver([&cluster](const FaultEvent& event) { cluster.Log(event.ToString()); });
  for (auto& worker : cluster.workers) worker->Start();
  const bool ended = cluster.RunToTheEnd();
  std::string unfinished;
  int64_t acknowledged = 0;
  for (const auto& worker : cluster.workers) {
    acknowledged += worker->acknowledged();
    if (worker->finished()) continue;
    absl::StrAppend(&unfinished, worker->name(), ": ", worker->error().ToString(), "\n");
  }
  EXPECT_TRUE(ended) << "seed " << seed << "\n" << unfinished;
  EXPECT_THAT(cluster.Parameters(), Each(-static_cast<float>(acknowledged))) << "seed " << seed;
  EXPECT_GT(control.count(c.kind), 3u) << "seed " << seed << " must strike, or nothing was shown";
  control.SetObserver(nullptr);
  return cluster.log();
}

class FaultSim : public ::testing::TestWithParam<Case> {};

TEST_P(FaultSim, SumsStayExact) {
  for (uint64_t seed = 1; seed <= 4; ++seed) LogOfRun(GetParam(), seed);
}

INSTANTIATE_TEST_SUITE_P(Under, FaultSim, ::testing::ValuesIn(kCases),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(FaultSimLog, TheSameSeedGivesTheSameLogByteForByteAndAnotherSeedAnother) {
  const Case& everything = kCases[std::size(kCases) - 1];
  const std::string first = LogOfRun(everything, 11);
  EXPECT_GT(first.size(), 10000u);
  EXPECT_EQ(first, LogOfRun(everything, 11));
  EXPECT_NE(first, LogOfRun(everything, 12));
}

}  // namespace
}  // namespace tideway::testing
