// Pulls by differences over real transports.

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"

namespace tideway {
namespace {

using ::testing::HasSubstr;

constexpr size_t kElements = 5000;

std::vector<float> Noise(uint64_t seed, float scale) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(kElements);
  for (float& value : values) value = normal(random);
  return values;
}

// A client with blocking calls, on the servers' runtime: where in-process connections meet.
struct Worker {
  Worker(Runtime* shared_runtime, ClientOptions options, const Layout& layout)
      : runtime(shared_runtime) {
    auto created = Client::Create(runtime, std::move(options), layout);
    EXPECT_TRUE(created.ok()) << created.status();
    client = *std::move(created);
    const absl::Status joined =
        Await([&](auto done) { client->Join(tideway::testing::Soon(*runtime), std::move(done)); });
    EXPECT_TRUE(joined.ok()) << joined;
  }
  absl::Status Push(const std::vector<float>& delta) {
    return AwaitResult<PushReport>([&](auto done) {
             client->Push(delta, {.inner_steps = 1}, tideway::testing::Soon(*runtime),
                          std::move(done));
           })
        .status();
  }
  absl::StatusOr<PullReport> Pull(std::vector<float>& destination, uint64_t window = 0) {
    destination.resize(kElements);
    return AwaitResult<PullReport>([&](auto done) {
      client->Pull(absl::MakeSpan(destination), {.window = window},
                   tideway::testing::Soon(*runtime), std::move(done));
    });
  }

  Runtime* const runtime;
  std::unique_ptr<Client> client;
};

class DifferencesOver : public ::testing::TestWithParam<std::string> {
 protected:
  ~DifferencesOver() override {
    for (auto& server : servers_) server->Stop();
  }

  void Start(ServerOptions options = {}) {
    options.outer_optimizer = "sgd:lr=1";
    for (uint32_t index = 0; index < layout_.servers(); ++index) {
      options.server_index = index;
      options.listen = {GetParam() == "tcp" ? "tcp://127.0.0.1:0"
                                            : absl::StrCat("inproc://server-", index)};
      auto server = Server::Start(runtime_.get(), options, layout_, Noise(1, 1.0f));
      ASSERT_TRUE(server.ok()) << server.status();
      uris_.push_back((*server)->addresses()[0]);
      servers_.push_back(*std::move(server));
    }
  }

  std::unique_ptr<Worker> Join(ClientOptions options) {
    options.servers = uris_;
    return std::make_unique<Worker>(runtime_.get(), std::move(options), layout_);
  }

  std::vector<float> Master() const {
    std::vector<float> parameters(kElements);
    for (const auto& server : servers_) {
      EXPECT_TRUE(server->ReadParameters(absl::MakeSpan(parameters)).ok());
    }
    return parameters;
  }

  std::string Log() {
    absl::MutexLock lock(&mutex_);
    return log_;
  }

  const Layout layout_ =
      *Layout::Create({{"w", {int64_t{kElements}}}}, {.fragment_bytes_max = 4096, .servers = 2});
  absl::Mutex mutex_;
  std::string log_;
  std::unique_ptr<Runtime> runtime_ = tideway::testing::NewRuntime(
      [this](LogLevel, absl::string_view text) {
        absl::MutexLock lock(&mutex_);
        absl::StrAppend(&log_, text, "\n");
      },
      4);
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<std::string> uris_;
};

TEST_P(DifferencesOver, CopiesStayEqualAndFarFewerBytesComeDown) {
  Start();
  const auto pusher = Join({.worker = "pusher"});
  const auto a = Join({.worker = "a", .pull_differences = "int8:block=256"});
  const auto b = Join({.worker = "b", .pull_differences = "int8:block=256"});
  EXPECT_THAT(a->client->connections()[0].details.at("pull"), HasSubstr("as differences"));
  std::vector<float> theta_a;
  std::vector<float> theta_b;
  const auto first = a->Pull(theta_a);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->differences, 0u);
  EXPECT_EQ(theta_a, Master()) << "the first copy is the master copy";
  uint64_t bytes = 0;
  for (uint64_t round = 1; round <= 20; ++round) {
    ASSERT_TRUE(pusher->Push(Noise(round, 0.01f)).ok());
    const auto pull = a->Pull(theta_a);
    ASSERT_TRUE(pull.ok()) << pull.status();
    EXPECT_EQ(pull->version_min, round) << "the pull is of the newest version";
    EXPECT_EQ(pull->differences, layout_.fragments().size());
    bytes += pull->bytes;
    if (round % 3 == 0) {
      ASSERT_TRUE(b->Pull(theta_b).ok());
      ASSERT_EQ(theta_a, theta_b) << "round " << round;
    }
  }
  EXPECT_LT(static_cast<double>(bytes), 20 * kElements * sizeof(float) * 0.3);
  const std::vector<float> master = Master();
  for (size_t i = 0; i < kElements; ++i) {
    ASSERT_NEAR(theta_a[i], master[i], 1e-3f) << "half a step of one int8 difference";
  }
}

TEST_P(DifferencesOver, TheLosslessChainIsTheMasterCopyBitForBit) {
  Start();
  const auto pusher = Join({.worker = "pusher", .codec_up = "topk:density=0.02"});
  const auto worker = Join({.worker = "a", .pull_differences = "sparse_lossless"});
  std::vector<float> theta;
  ASSERT_TRUE(worker->Pull(theta).ok());
  for (uint64_t round = 1; round <= 20; ++round) {
    ASSERT_TRUE(pusher->Push(Noise(round, 0.01f)).ok());
    const auto pull = worker->Pull(theta);
    ASSERT_TRUE(pull.ok()) << pull.status();
    EXPECT_EQ(pull->differences, layout_.fragments().size());
    EXPECT_LT(pull->bytes, pull->bytes_fp32 / 10) << "2 % of the values have changed";
    EXPECT_EQ(theta, Master()) << "round " << round;
  }
}

TEST_P(DifferencesOver, ManyWorkersPullAtOnceAndAgreeOnEveryWindow) {
  constexpr int kWorkers = 4;
  constexpr uint64_t kWindows = 25;
  Start();
  std::vector<std::vector<std::vector<float>>> pulled(kWorkers);
  absl::Mutex mutex;
  uint64_t arrived = 0;
  std::vector<std::thread> threads;
  for (int w = 0; w < kWorkers; ++w) {
    threads.emplace_back([&, w] {
      const auto worker =
          Join({.worker = absl::StrCat("w", w), .pull_differences = "topk:density=0.1"});
      for (uint64_t window = 1; window <= kWindows; ++window) {
        EXPECT_TRUE(worker->Push(Noise(window * 10 + static_cast<uint64_t>(w), 0.01f)).ok());
        auto& theta = pulled[static_cast<size_t>(w)].emplace_back();
        const auto pull = worker->Pull(theta, window);
        EXPECT_TRUE(pull.ok()) << pull.status();
        // The next window begins when all have this one, as with a leader: a few windows are remembered.
        absl::MutexLock lock(&mutex);
        ++arrived;
        const auto all_here = [&arrived, window] { return arrived >= window * kWorkers; };
        mutex.Await(absl::Condition(&all_here));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (size_t window = 0; window < kWindows; ++window) {
    for (const auto& of_worker : pulled) ASSERT_EQ(of_worker[window], pulled[0][window]) << window;
  }
}

TEST_P(DifferencesOver, AServerThatOffersNoneAnswersWithTheCodecForWholeParameters) {
  Start({.difference_codecs_max = 0});
  const auto worker = Join({.worker = "a", .codec_down = "bf16", .pull_differences = "int8"});
  std::vector<float> theta;
  const auto pull = worker->Pull(theta);
  ASSERT_TRUE(pull.ok()) << pull.status();
  EXPECT_EQ(pull->bytes, kElements * 2);
  EXPECT_EQ(pull->differences, 0u);
  EXPECT_THAT(Log(), HasSubstr("difference_codecs_max"));
}

TEST_P(DifferencesOver, ACodecTooManyPullsAsWithoutAndTheOthersGoOn) {
  Start({.difference_codecs_max = 1});
  const auto first = Join({.worker = "first", .pull_differences = "int8"});
  const auto second = Join({.worker = "second", .pull_differences = "bf16"});
  std::vector<float> theta;
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(first->Push(Noise(5, 0.01f)).ok());
    ASSERT_TRUE(second->Pull(theta).ok());
    EXPECT_EQ(theta, Master());
    const auto pull = first->Pull(theta);
    ASSERT_TRUE(pull.ok()) << pull.status();
    if (round > 0) {
      EXPECT_EQ(pull->differences, layout_.fragments().size());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Transports, DifferencesOver, ::testing::Values("tcp", "inproc"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace tideway
