// No gradient mass is lost or counted twice: what the server has applied plus what the workers' residuals hold equals what was
// pushed, for every codec, through retries, duplicates, stale rejections, restarts of the server from its snapshot and of workers
// from their checkpoints, in virtual time.

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/sim/sim_calls.h"
#include "tideway/client.h"
#include "tideway/runtime.h"
#include "tideway/server.h"

namespace tideway {
namespace {

constexpr size_t kElements = 300;
constexpr size_t kWorkers = 2;
constexpr char kUri[] = "sim://server:5000";

// What rounding to fp32 may add up to: values stay below 64, each of some hundred sums is off by at most half a unit in their
// last place. A residual that got lost would be 2^-9 at least somewhere.
constexpr double kTolerance = 4e-4;

std::string HostOf(size_t worker) { return absl::StrCat("worker-", worker); }

class World : protected testing::SimCalls {
 public:
  World(const std::string& codec, uint64_t seed, std::string folder)
      : SimCalls(seed, {.latency = absl::Milliseconds(5),
                        .jitter = absl::Milliseconds(5),
                        .reset_probability = 0.02}),
        codec_(codec),
        folder_(std::move(folder)) {
    std::filesystem::remove_all(folder_);
    StartServer(/*recover=*/false);
    for (size_t worker = 0; worker < kWorkers; ++worker) StartWorker(worker, {});
  }

  ~World() {
    for (size_t worker = 0; worker < kWorkers; ++worker) StopWorker(worker);
    StopServer();
    std::filesystem::remove_all(folder_);
  }

  uint64_t Random() { return executor_.Random(); }

  // With a connection that is cut now and then while it is under way.
  void Push(size_t worker) {
    std::vector<float> delta(kElements);
    for (size_t i = 0; i < kElements; ++i) {
      delta[i] = static_cast<float>(static_cast<int64_t>(Random() % 2049) - 1024) / 1024;
      pushed_[i] += delta[i];
    }
    if (Random() % 2 == 0) {
      executor_.PostAt(executor_.Now() + absl::Microseconds(static_cast<int64_t>(Random() % 30000)),
                       [this, worker] { network_.Reset(HostOf(worker), "server"); });
    }
    ends_[worker].client->Push(delta, {.inner_steps = 1}, Later(),
                               [this, kept = Kept()](const auto& report) mutable {
                                 if (report.ok()) rejected_ += report->rejected;
                                 kept(report.status());
                               });
    Await();
  }

  void Pull(size_t worker) {
    std::vector<float> parameters(kElements);
    ends_[worker].client->Pull(absl::MakeSpan(parameters), {}, Later(), KeptResult());
    Await();
    theta_ = std::move(parameters);
  }

  // As kill -9 does, and again from the checkpoint that holds the residual.
  void RestartWorker(size_t worker) {
    std::vector<float> residual = ends_[worker].client->residual();
    network_.Crash(HostOf(worker));
    ends_[worker].runtime->Stop();
    StopWorker(worker);
    StartWorker(worker, std::move(residual));
  }

  void RestartServer() {
    ends_[0].client->Snapshot(Later(), Kept());
    Await();
    network_.Crash("server");
    server_runtime_->Stop();
    StopServer();
    StartServer(/*recover=*/true);
  }

  // The largest |applied + residuals - pushed| over the elements.
  double Missing() {
    Pull(0);
    std::vector<double> accounted(kElements);
    for (size_t i = 0; i < kElements; ++i) accounted[i] = -static_cast<double>(theta_[i]);
    for (const End& end : ends_) {
      const std::vector<float> residual = end.client->residual();
      for (size_t i = 0; i < residual.size(); ++i) accounted[i] += residual[i];
    }
    double missing = 0;
    for (size_t i = 0; i < kElements; ++i) {
      missing = std::max(missing, std::abs(accounted[i] - pushed_[i]));
    }
    return missing;
  }

  uint64_t rejected() const { return rejected_; }
  uint64_t duplicates() const { return server_->stats().duplicates; }

 private:
  struct End {
    std::unique_ptr<Runtime> runtime;
    std::unique_ptr<Client> client;
  };

  void StartServer(bool recover) {
    server_runtime_ = NewRuntime("server");
    const ServerOptions options{.listen = {kUri},
                                .outer_optimizer = "sgd:lr=1",
                                .staleness = "bound:max=1",
                                .lease = absl::Minutes(5),
                                .snapshot_dir = folder_};
    auto server = recover ? Server::Recover(server_runtime_.get(), options, layout_)
                          : Server::Start(server_runtime_.get(), options, layout_,
                                          std::vector<float>(kElements, 0.0f));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  void StopServer() {
    server_->Stop();
    executor_.RunFor(absl::Seconds(10));
    server_.reset();
    server_runtime_.reset();
  }

  void StartWorker(size_t worker, std::vector<float> residual) {
    End& end = ends_[worker];
    end.runtime = NewRuntime(HostOf(worker));
    auto client = Client::Create(end.runtime.get(),
                                 {.servers = {kUri},
                                  .worker = HostOf(worker),
                                  .codec_up = codec_,
                                  .codecs_up = {"bf16", "int4:block=16"},
                                  .reconnect_timeout = absl::Minutes(10)},
                                 layout_);
    ASSERT_TRUE(client.ok()) << client.status();
    end.client = *std::move(client);
    if (!residual.empty()) {
      ASSERT_TRUE(end.client->SetResidual(std::move(residual)).ok());
    }
    end.client->Join(Later(), Kept());
    Await();
  }

  void StopWorker(size_t worker) {
    End& end = ends_[worker];
    end.client->Close();
    executor_.RunFor(absl::Seconds(10));
    end.client.reset();
    end.runtime.reset();
  }

  const std::string codec_;
  const Layout layout_ =
      *Layout::Create({{"w", {int64_t{kElements}}}}, {.fragment_bytes_max = 400});
  const std::string folder_;
  std::unique_ptr<Runtime> server_runtime_;
  std::unique_ptr<Server> server_;
  End ends_[kWorkers];
  std::vector<float> theta_;
  std::vector<double> pushed_ = std::vector<double>(kElements);
  uint64_t rejected_ = 0;
};

class Mass : public ::testing::TestWithParam<const char*> {
 protected:
  // All that may happen to a push, in an order that the seed decides.
  static void Torment(World& world) {
    for (int i = 0; i < 24; ++i) {
      const size_t worker = world.Random() % kWorkers;
      const uint64_t what = world.Random() % 12;
      if (what == 0) {
        world.RestartServer();
      } else if (what == 1) {
        world.RestartWorker(worker);
      } else if (what < 5) {
        world.Pull(worker);
      } else {
        world.Push(worker);
      }
      if (HasFatalFailure()) return;
    }
  }
};

TEST_P(Mass, AppliedPlusResidualIsWhatWasPushed) {
  // With --gtest_repeat each round has seeds of its own.
  static uint64_t next_seed = 1;
  constexpr uint64_t kSeeds = 24;
  const std::string folder = absl::StrCat(::testing::TempDir(), "tideway_mass_sim_", getpid());
  uint64_t rejected = 0;
  uint64_t duplicates = 0;
  for (const uint64_t end = next_seed + kSeeds; next_seed < end; ++next_seed) {
    SCOPED_TRACE(absl::StrCat("codec ", GetParam(), " seed ", next_seed));
    World world(GetParam(), next_seed, folder);
    Torment(world);
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_LE(world.Missing(), kTolerance);
    rejected += world.rejected();
    duplicates += world.duplicates();
  }
  EXPECT_GT(rejected, 0u) << "no push was ever stale, so nothing was shown of them";
  EXPECT_GT(duplicates, 0u) << "no acknowledgement was ever lost, so nothing was shown of retries";
}

INSTANTIATE_TEST_SUITE_P(
    Codecs, Mass,
    ::testing::Values("identity", "bf16", "fp16", "int8:block=64",
                      "int8:block=64,rounding=stochastic,seed=7", "int4:block=16", "sign:block=32",
                      "topk:density=0.05,values=fp32", "topk:chunk=256,density=0.1,values=int4",
                      "topk:density=0.1,values=int2,block=16", "randomk:density=0.1,seed=5",
                      "sparse_lossless", "int8:block=64+zstd:level=3", "auto"),
    [](const auto& codec) {
      std::string name;
      for (const char c : std::string(codec.param)) name += isalnum(c) != 0 ? c : '_';
      return name;
    });

}  // namespace
}  // namespace tideway
