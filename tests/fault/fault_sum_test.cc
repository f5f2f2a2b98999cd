// Deltas of whole numbers add up without rounding, so every lost, doubled or damaged push shows in the sum: real clients and a
// real server over real transports, with both ends of every connection under the fault decorator. fault_sim_test.cc does the
// same in virtual time.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fault/builtin_entry.h"
#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/client.h"
#include "tideway/fault_transport.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"
#include "tideway/server.h"

namespace tideway::testing {
namespace {

using ::testing::Each;

constexpr size_t kElements = 4096;
constexpr int kWorkers = 2;
constexpr int kPushes = 100;  // each

// A server and clients in one Runtime, all of whose connections are wrapped.
class FaultyCluster {
 public:
  FaultyCluster(const std::string& transport, const FaultPlan& plan) {
    RuntimeOptions options;
    EXPECT_TRUE(options.transports.Add(WithFaults(BuiltinEntry(transport), plan, control)).ok());
    options.codecs = BuiltinCodecs();
    options.executor_options = {.threads = 2};
    options.log = [this](LogLevel, absl::string_view line) {
      absl::MutexLock lock(&mutex_);
      absl::StrAppend(&log_, line, "\n");
    };
    runtime = std::make_unique<Runtime>(std::move(options));
    auto started = Server::Start(
        runtime.get(), {.listen = {transport + "://127.0.0.1:0"}, .outer_optimizer = "sgd:lr=1"},
        layout, std::vector<float>(kElements, 0.0f));
    EXPECT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
  }
  ~FaultyCluster() {
    clients.clear();
    server.reset();
  }

  absl::Time Soon() { return runtime->executor().Now() + absl::Seconds(60); }

  void Join() {
    clients.push_back(*Client::Create(
        runtime.get(),
        {.servers = {server->addresses()[0]}, .worker = absl::StrCat("w", clients.size())},
        layout));
    const absl::Status joined =
        Await([&](auto done) { clients.back()->Join(Soon(), std::move(done)); });
    ASSERT_TRUE(joined.ok()) << joined;
  }

  // Pushes whole numbers over every client, several at a time; returns the sum of them.
  float PushAll(int pushes) {
    std::vector<std::vector<float>> deltas;
    for (int i = 1; i <= 5; ++i) deltas.emplace_back(kElements, static_cast<float>(i));
    float sum = 0;
    int pending = 0;
    for (int i = 0; i < pushes; ++i) {
      const std::vector<float>& delta = deltas[static_cast<size_t>(i) % deltas.size()];
      for (auto& client : clients) {
        sum += delta[0];
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(
            +[](int* n) { return *n < 16; }, &pending));
        ++pending;
        client->Push(delta, {.inner_steps = 1}, Soon(),
                     [this, &pending](const absl::StatusOr<PushReport>& report) {
                       EXPECT_TRUE(report.ok()) << report.status();
                       absl::MutexLock inner(&mutex_);
                       --pending;
                     });
      }
    }
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int* n) { return *n == 0; }, &pending));
    return sum;
  }

  std::vector<float> Parameters() {
    std::vector<float> parameters(kElements);
    EXPECT_TRUE(server->ReadParameters(absl::MakeSpan(parameters)).ok());
    return parameters;
  }

  bool AwaitLog(const std::string& text) {
    absl::MutexLock lock(&mutex_);
    const auto said = [this, &text] { return absl::StrContains(log_, text); };
    return mutex_.AwaitWithTimeout(absl::Condition(&said), absl::Seconds(60));
  }

 private:
  absl::Mutex mutex_;
  std::string log_ ABSL_GUARDED_BY(mutex_);

 public:
  FaultControl control;
  const Layout layout =
      *Layout::Create({{"w", {int64_t{kElements}}}}, {.fragment_bytes_max = 2048});
  std::unique_ptr<Runtime> runtime;
  std::unique_ptr<Server> server;
  std::vector<std::unique_ptr<Client>> clients;
};

struct Case {
  const char* name;
  std::vector<FaultKind> kinds;  // that must strike, or nothing is shown
  FaultPlan plan;
};

const std::vector<Case>& Cases() {
  static const auto* const cases = new std::vector<Case>{
      {"Delays",
       {FaultKind::kDelay},
       {.delay_probability = 0.05, .delay_max = absl::Milliseconds(5)}},
      {"Stalls",
       {FaultKind::kStall},
       {.stall_probability = 0.005, .stall = absl::Milliseconds(20)}},
      {"Drops", {FaultKind::kDrop}, {.drop_probability = 0.004}},
      {"Resets", {FaultKind::kReset}, {.reset_probability = 0.006}},
      {"CorruptHeaders", {FaultKind::kCorruptHeader}, {.corrupt_header_probability = 0.004}},
      {"CorruptPayloads", {FaultKind::kCorruptPayload}, {.corrupt_payload_probability = 0.006}},
      {"Everything",
       {FaultKind::kDelay, FaultKind::kStall},
       {.delay_probability = 0.02,
        .delay_max = absl::Milliseconds(5),
        .stall_probability = 0.003,
        .stall = absl::Milliseconds(10),
        .drop_probability = 0.001,
        .reset_probability = 0.002,
        .corrupt_header_probability = 0.001,
        .corrupt_payload_probability = 0.002}},
  };
  return *cases;
}

class FaultSum : public ::testing::TestWithParam<std::tuple<const char*, size_t>> {};

TEST_P(FaultSum, OfEverythingAcknowledgedIsWhatTheServerHolds) {
  const Case& c = Cases()[std::get<1>(GetParam())];
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    FaultPlan plan = c.plan;
    plan.seed = seed;
    FaultyCluster cluster(std::get<0>(GetParam()), plan);
    for (int i = 0; i < kWorkers; ++i) cluster.Join();
    const float sum = cluster.PushAll(kPushes);
    EXPECT_THAT(cluster.Parameters(), Each(-sum));
    for (const FaultKind kind : c.kinds) {
      EXPECT_GT(cluster.control.count(kind), 2u) << "the seed must strike, or nothing was shown";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Under, FaultSum,
                         ::testing::Combine(::testing::Values("inproc", "tcp"),
                                            ::testing::Range<size_t>(0, Cases().size())),
                         [](const auto& param) {
                           return absl::StrCat(Cases()[std::get<1>(param.param)].name, "_over_",
                                               std::get<0>(param.param));
                         });

// --- single faults, at the moment of the test's choice ----------------------------------------------------------

class OneFault : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Over, OneFault, ::testing::Values("inproc", "tcp"),
                         [](const auto& param) { return std::string(param.param); });

// A push whose bytes were damaged on the way is recognised by its hash, said so in the log, and sent again.
TEST_P(OneFault, ACorruptByteIsRecognisedByItsHashAndNeverAdded) {
  for (const FaultKind kind : {FaultKind::kCorruptPayload, FaultKind::kCorruptHeader}) {
    FaultyCluster cluster(GetParam(), {});
    cluster.Join();
    cluster.control.StrikeNext(kind);
    const float sum = cluster.PushAll(10);
    EXPECT_EQ(cluster.control.count(kind), 1u);
    EXPECT_TRUE(cluster.AwaitLog("hash mismatch") || cluster.AwaitLog("magic"));
    EXPECT_THAT(cluster.Parameters(), Each(-sum));
  }
}

// A pull that was damaged on the way is asked for again: what it brings is what the server holds.
TEST_P(OneFault, ADamagedPullIsRepeated) {
  FaultyCluster cluster(GetParam(), {});
  cluster.Join();
  const float sum = cluster.PushAll(10);
  cluster.control.StrikeNext(FaultKind::kCorruptPayload);
  cluster.control.StrikeNext(FaultKind::kCorruptRead);
  std::vector<float> pulled(kElements);
  const auto report = AwaitResult<PullReport>([&](auto done) {
    cluster.clients[0]->Pull(absl::MakeSpan(pulled), {}, cluster.Soon(), std::move(done));
  });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(pulled, Each(-sum));
  EXPECT_GE(cluster.control.count(FaultKind::kCorruptPayload) +
                cluster.control.count(FaultKind::kCorruptRead),
            1u);
}

TEST_P(OneFault, KillingEverythingAgainAndAgainLosesNothing) {
  FaultyCluster cluster(GetParam(), {});
  for (int i = 0; i < kWorkers; ++i) cluster.Join();
  float sum = 0;
  for (int round = 0; round < 6; ++round) {
    cluster.runtime->executor().Post([&cluster] { cluster.control.KillAll(); });
    sum += cluster.PushAll(20);
  }
  EXPECT_GT(cluster.control.count(FaultKind::kKill), 4u);
  EXPECT_THAT(cluster.Parameters(), Each(-sum));
}

}  // namespace
}  // namespace tideway::testing
