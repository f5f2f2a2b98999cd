// Deltas of whole numbers add up without rounding, so every lost, doubled or torn push shows in the sum.

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/integration/cluster.h"

namespace tideway {
namespace {

using ::tideway::testing::Cluster;
using ::tideway::testing::Peer;

constexpr size_t kElements = 5000;
constexpr int kWorkers = 4;
constexpr int kPushes = 1000;

struct Case {
  std::string uri;
  uint32_t servers;
  std::string codec;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.uri << ", " << c.servers << " servers, " << c.codec;
}

class ExactSum : public ::testing::TestWithParam<Case> {};

// Small whole numbers, so that bf16 carries them exactly too.
std::vector<float> WholeNumbers(std::mt19937_64& random) {
  std::vector<float> delta(kElements);
  for (float& value : delta) value = static_cast<float>(static_cast<int>(random() % 17) - 8);
  return delta;
}

// Pushes without waiting for the one before, and returns the sum of what it pushed.
std::vector<double> PushAll(Peer& peer, int worker) {
  std::mt19937_64 random(static_cast<uint64_t>(worker) + 1);
  std::vector<std::vector<float>> deltas;
  for (int i = 0; i < 8; ++i) deltas.push_back(WholeNumbers(random));
  std::vector<double> sum(kElements);
  absl::Mutex mutex;
  int pending = 0;
  for (int i = 0; i < kPushes; ++i) {
    const std::vector<float>& delta = deltas[static_cast<size_t>(i) % deltas.size()];
    for (size_t k = 0; k < kElements; ++k) sum[k] += static_cast<double>(delta[k]);
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(
        +[](int* n) { return *n < 32; }, &pending));
    ++pending;
    peer.client->Push(delta, {.inner_steps = 1}, tideway::testing::Soon(*peer.runtime),
                      [&](absl::StatusOr<PushReport> report) {
                        EXPECT_TRUE(report.ok()) << report.status();
                        if (report.ok()) {
                          EXPECT_EQ(report->applied, report->fragments);
                        }
                        absl::MutexLock inner(&mutex);
                        --pending;
                      });
  }
  absl::MutexLock lock(&mutex);
  mutex.Await(absl::Condition(
      +[](int* n) { return *n == 0; }, &pending));
  return sum;
}

TEST_P(ExactSum, OfAllPushesOfAllWorkersIsWhatTheServersHold) {
  const Case& c = GetParam();
  auto layout = Layout::Create({{"w", {static_cast<int64_t>(kElements)}}},
                               {.fragment_bytes_max = 4096, .servers = c.servers});
  ASSERT_TRUE(layout.ok());
  Cluster cluster(*layout, {.listen = {c.uri}, .outer_optimizer = "sgd:lr=1"},
                  std::vector<float>(kElements, 0.0f));
  ASSERT_EQ(cluster.servers.size(), c.servers);

  std::vector<std::vector<double>> sums(kWorkers);
  std::vector<std::thread> threads;
  for (int w = 0; w < kWorkers; ++w) {
    threads.emplace_back([&, w] {
      // bf16 carries these deltas exactly, so `auto` may choose it.
      Peer peer(cluster,
                {.worker = "w" + std::to_string(w), .codec_up = c.codec, .codecs_up = {"bf16"}});
      ASSERT_TRUE(peer.Join().ok());
      sums[static_cast<size_t>(w)] = PushAll(peer, w);
      EXPECT_TRUE(peer.Leave().ok());
    });
  }
  for (auto& thread : threads) thread.join();

  const std::vector<float> parameters = cluster.Parameters();
  for (size_t k = 0; k < kElements; ++k) {
    double expected = 0;
    for (const auto& sum : sums) expected -= sum[k];
    ASSERT_EQ(static_cast<double>(parameters[k]), expected) << "element " << k;
  }
  uint64_t outer_steps = 0;
  for (const auto& server : cluster.servers) outer_steps += server->stats().outer_steps;
  EXPECT_EQ(outer_steps, layout->fragments().size() * kWorkers * kPushes);
}

INSTANTIATE_TEST_SUITE_P(OverTcp, ExactSum,
                         ::testing::Values(Case{"tcp://127.0.0.1:0", 1, "identity"},
                                           Case{"tcp://[::1]:0", 2, "identity"},
                                           Case{"tcp://127.0.0.1:0", 2, "bf16"},
                                           Case{"tcp://127.0.0.1:0", 2, "auto"}));

}  // namespace
}  // namespace tideway
