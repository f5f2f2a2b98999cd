// Pulls by differences in virtual time: workers with and without them on one server, over a network that cuts connections, with
// a server that dies and comes back from a snapshot.
//
// Whatever happens, all pulls of one version in one life of the server have the same bits, and so have all pulls for one window.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/sim/sim_runtime.h"
#include "tideway/client.h"
#include "tideway/runtime.h"
#include "tideway/server.h"
#include "tideway/sim_executor.h"
#include "tideway/sim_network.h"

namespace tideway {
namespace {

constexpr size_t kElements = 300;
constexpr char kUri[] = "sim://server:5000";

// What pulls must agree on: the life of the server, the kind of copy, and the version or the window.
using Key = std::tuple<int, std::string, uint64_t>;

class World {
 public:
  World(uint64_t seed, std::string folder, const std::vector<std::string>& differences)
      : executor_(seed),
        network_(seed, {.latency = absl::Milliseconds(5),
                        .jitter = absl::Milliseconds(5),
                        .reset_probability = 0.01}),
        folder_(std::move(folder)) {
    std::filesystem::remove_all(folder_);
    StartServer();
    for (const std::string& codec : differences) Join(codec);
  }

  ~World() {
    stopping_ = true;
    for (auto& worker : workers_) worker->client->Close();
    executor_.RunFor(absl::Minutes(2));
    workers_.clear();
    StopServer();
    std::filesystem::remove_all(folder_);
  }

  void RunFor(absl::Duration span) { executor_.RunFor(span); }
  uint64_t Random() { return executor_.Random(); }

  void CutSomebodyOff() { network_.Reset(NameOf(Random() % workers_.size()), "server"); }

  void Snapshot() {
    workers_[0]->client->Snapshot(Later(), [](const absl::Status&) {});
    executor_.RunFor(absl::Seconds(1));
  }

  // Without a word, and with the loss of what came after the snapshot.
  void RestartServer() {
    network_.Crash("server");
    server_runtime_->Stop();
    StopServer();
    StartServer();
  }

  // Nobody pushes any more; everybody pulls once and is compared.
  void Settle() {
    stopping_ = true;
    ASSERT_TRUE(executor_.RunUntilTrue([this] { return resting_ == workers_.size(); }, Later()));
    for (auto& worker : workers_) {
      Pull(*worker, 0);
      const size_t before = resting_;
      ASSERT_TRUE(executor_.RunUntilTrue([&] { return resting_ > before; }, Later()));
    }
  }

  // Pulls of one kind have the same bits; so have those without differences and those without loss.
  static std::string KindOf(const std::string& codec) {
    return codec == "sparse_lossless" ? "" : codec;
  }

  const std::vector<float>& parameters(size_t worker) const { return workers_[worker]->theta; }
  uint64_t differences(size_t worker) const { return workers_[worker]->differences; }
  uint64_t bytes(size_t worker) const { return workers_[worker]->bytes; }
  uint64_t bytes_fp32(size_t worker) const { return workers_[worker]->bytes_fp32; }
  uint64_t BytesDown(size_t worker) const {
    uint64_t bytes = 0;
    for (const WorkerStats& stats : server_->stats().workers) {
      if (stats.name == NameOf(worker)) bytes += stats.bytes_down;
    }
    return bytes;
  }
  size_t compared() const { return compared_; }
  int life() const { return life_; }

 private:
  struct WorkerEnd {
    size_t number;
    std::string codec;
    std::unique_ptr<Runtime> runtime;
    std::unique_ptr<Client> client;
    std::vector<float> theta;
    std::vector<float> delta;
    uint64_t differences = 0;
    uint64_t bytes = 0;
    uint64_t bytes_fp32 = 0;
  };

  static std::string NameOf(size_t worker) { return absl::StrCat("worker-", worker); }
  absl::Time Later() { return executor_.Now() + absl::Hours(1); }

  std::unique_ptr<Runtime> NewRuntime(const std::string& host) {
    return testing::NewSimRuntime(&executor_, SimTransportEntry(&network_, host));
  }

  void StartServer() {
    ++life_;
    server_runtime_ = NewRuntime("server");
    const ServerOptions options{.listen = {kUri},
                                .outer_optimizer = "nesterov:lr=0.5,momentum=0.9",
                                .lease = absl::Minutes(5),
                                .snapshot_dir = folder_};
    const std::vector<float> initial(kElements, 0.25f);
    auto server = life_ == 1 ? Server::Start(server_runtime_.get(), options, layout_, initial)
                             : Server::Recover(server_runtime_.get(), options, layout_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  void StopServer() {
    server_->Stop();
    executor_.RunFor(absl::Seconds(10));
    server_.reset();
    server_runtime_.reset();
  }

  void Join(const std::string& codec) {
    workers_.push_back(std::make_unique<WorkerEnd>());
    WorkerEnd& worker = *workers_.back();
    worker.number = workers_.size() - 1;
    worker.codec = codec;
    worker.runtime = NewRuntime(NameOf(worker.number));
    worker.theta.assign(kElements, 0.0f);
    worker.delta.assign(kElements, 0.0f);
    auto client = Client::Create(worker.runtime.get(),
                                 {.servers = {kUri},
                                  .worker = NameOf(worker.number),
                                  .pull_differences = codec,
                                  .reconnect_timeout = absl::Minutes(10)},
                                 layout_);
    ASSERT_TRUE(client.ok()) << client.status();
    worker.client = *std::move(client);
    worker.client->Join(Later(), [this, &worker](const absl::Status& joined) {
      EXPECT_TRUE(joined.ok()) << joined;
      Rest(worker);
    });
  }

  void Rest(WorkerEnd& worker) {
    if (stopping_) {
      ++resting_;
      return;
    }
    const auto rest = absl::Milliseconds(static_cast<int64_t>(Random() % 200));
    executor_.PostAt(executor_.Now() + rest, [this, &worker] {
      if (stopping_) return Rest(worker);
      if (Random() % 2 == 0) return Push(worker);
      // Windows go up with time, as a leader's do, and not everybody is in the newest.
      const auto window = static_cast<uint64_t>(absl::ToUnixMillis(executor_.Now())) / 5000 + 2;
      Pull(worker, Random() % 2 == 0 ? 0 : window - Random() % 2);
    });
  }

  void Push(WorkerEnd& worker) {
    for (float& value : worker.delta) {
      value = 0.001f * static_cast<float>(static_cast<int64_t>(Random() % 2001) - 1000);
    }
    worker.client->Push(worker.delta, {.inner_steps = 1}, Later(),
                        [this, &worker](const absl::StatusOr<PushReport>& report) {
                          EXPECT_TRUE(report.ok()) << report.status();
                          Rest(worker);
                        });
  }

  void Pull(WorkerEnd& worker, uint64_t window) {
    worker.client->Pull(
        absl::MakeSpan(worker.theta), {.window = window}, Later(),
        [this, &worker, window, life = life_](const absl::StatusOr<PullReport>& report) {
          EXPECT_TRUE(report.ok()) << report.status();
          if (report.ok()) Look(worker, window, life, *report);
          Rest(worker);
        });
  }

  void Look(WorkerEnd& worker, uint64_t window, int life, const PullReport& report) {
    worker.differences += report.differences;
    worker.bytes += report.bytes;
    worker.bytes_fp32 += report.bytes_fp32;
    if (life != life_) return;  // parts of it may be from before
    if (window != 0)
      Compare({life, absl::StrCat("window of ", KindOf(worker.codec)), window}, worker);
    // A window's copy may be one that the chain had passed; a version's is the chain's own.
    if (window == 0 && report.version_min == report.version_max) {
      Compare({life, absl::StrCat("version of ", KindOf(worker.codec)), report.version_min},
              worker);
    }
  }

  void Compare(const Key& key, const WorkerEnd& worker) {
    const auto [known, first] = by_key_.emplace(key, worker.theta);
    if (first) return;
    ++compared_;
    EXPECT_EQ(known->second, worker.theta)
        << std::get<1>(key) << " " << std::get<2>(key) << " in life " << life_;
  }

  const Layout layout_ =
      *Layout::Create({{"w", {int64_t{kElements}}}}, {.fragment_bytes_max = 400});
  SimExecutor executor_;
  SimNetwork network_;
  const std::string folder_;
  int life_ = 0;
  std::unique_ptr<Runtime> server_runtime_;
  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<WorkerEnd>> workers_;
  std::map<Key, std::vector<float>> by_key_;
  size_t compared_ = 0;
  size_t resting_ = 0;
  bool stopping_ = false;
};

class DifferencesSim : public ::testing::TestWithParam<uint64_t> {
 protected:
  std::string Folder() const {
    return absl::StrCat(::testing::TempDir(), "tideway_differences_sim_", GetParam());
  }
};

TEST_P(DifferencesSim, AllWhoPullTheSameHaveTheSameBitsThroughCutConnectionsAndRestarts) {
  SCOPED_TRACE(absl::StrCat("seed ", GetParam()));
  World world(GetParam(), Folder(),
              {"", "sparse_lossless", "int8:block=64", "int8:block=64", "int8:block=64",
               "topk:density=0.1", "topk:density=0.1"});
  world.RunFor(absl::Seconds(2));
  world.Snapshot();
  for (int i = 0; i < 60; ++i) {
    world.RunFor(absl::Milliseconds(static_cast<int64_t>(world.Random() % 1000)));
    world.CutSomebodyOff();
    if (i % 20 == 10) world.Snapshot();
    if (i % 20 == 19) world.RestartServer();
  }
  ASSERT_NO_FATAL_FAILURE(world.Settle());
  EXPECT_EQ(world.life(), 4);
  EXPECT_GT(world.compared(), 50u);
  for (size_t worker = 2; worker < 7; ++worker) {
    EXPECT_GT(world.differences(worker), 10u) << worker;
    EXPECT_LT(world.bytes(worker), world.bytes_fp32(worker)) << worker;
  }
  for (size_t worker = 2; worker < 5; ++worker) {
    for (size_t i = 0; i < kElements; ++i) {
      EXPECT_NEAR(world.parameters(worker)[i], world.parameters(0)[i], 0.5f) << worker;
    }
  }
  EXPECT_EQ(world.parameters(0), world.parameters(1)) << "the lossless chain is the master copy";
  EXPECT_EQ(world.parameters(2), world.parameters(3));
  EXPECT_EQ(world.parameters(2), world.parameters(4));
  EXPECT_EQ(world.parameters(5), world.parameters(6));
}

INSTANTIATE_TEST_SUITE_P(Seeds, DifferencesSim, ::testing::Range<uint64_t>(1, 13));

TEST(DifferencesSimCounts, BothEndsCountTheBytesThatCameDown) {
  World world(5, absl::StrCat(::testing::TempDir(), "tideway_differences_sim_counts"),
              {"int8:block=64", "topk:density=0.1", ""});
  world.RunFor(absl::Seconds(20));
  ASSERT_NO_FATAL_FAILURE(world.Settle());
  for (size_t worker = 0; worker < 3; ++worker) {
    EXPECT_GE(world.BytesDown(worker), world.bytes(worker)) << worker;
    // A connection that is cut makes the server send an answer twice, of which the worker counts one.
    EXPECT_LE(world.BytesDown(worker), world.bytes(worker) + world.bytes(worker) / 5) << worker;
  }
  EXPECT_EQ(world.bytes(2), world.bytes_fp32(2));
}

}  // namespace
}  // namespace tideway
