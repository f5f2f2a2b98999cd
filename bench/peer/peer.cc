#include "bench/peer/peer.h"

#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bench/common/control.h"
#include "bench/common/options.h"
#include "bench/common/vectors.h"
#include "bench/peer/ends.h"
#include "bench/peer/incast.h"
#include "tideway/blocking.h"

namespace bench {
namespace {

constexpr int kDeltaMax = 1000;     // of the deltas for lossy codecs
constexpr int kPullsUntilOpen = 3;  // fewer than RunClient warms up with

// Whole numbers in no order, as a lossy codec meets them.
void FillAtRandom(std::span<float> floats) {
  std::mt19937 random(1);
  for (float& value : floats)
    value = static_cast<float>(static_cast<int>(random() % (2 * kDeltaMax + 1)) - kDeltaMax);
}

// What the server has subtracted and what the residual still holds is all that was pushed.
bool NothingIsLost(tideway::Runtime& runtime, tideway::Client& client, std::span<const float> delta,
                   uint64_t pushes) {
  std::vector<float> sum(delta.size());
  Get(tideway::AwaitResult<tideway::PullReport>([&](auto done) {
    client.Pull(absl::MakeSpan(sum), {}, runtime.executor().Now() + kOperationTimeout,
                std::move(done));
  }));
  std::vector<float> residual = client.residual();
  residual.resize(delta.size());
  // Each push rounds a sum and a residual, none larger than all that was pushed, to fp32.
  const double pushed_max = static_cast<double>(pushes) * kDeltaMax;
  const double rounding_max = static_cast<double>(pushes) * pushed_max * 0x1p-23;
  for (size_t i = 0; i < delta.size(); ++i) {
    const double pushed = static_cast<double>(pushes) * static_cast<double>(delta[i]);
    const double found = static_cast<double>(residual[i]) - static_cast<double>(sum[i]);
    if (!(std::abs(found - pushed) <= rounding_max)) return false;
  }
  return true;
}

void RunServer(const Settings& settings) {
  if (settings.form == "incast") return RunIncastServer(settings);
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  StageLog stages(runtime.executor());
  VectorServer server(runtime, settings, settings.stages ? &stages : nullptr);
  ServeDriver(
      server.address(), [&](uint64_t pushes) { return server.Verify(pushes); },
      [&] { return "{\"server\": " + stages.Take() + "}"; });
}

// Whether every float is the same whole number of patterns as its neighbours in the period, none or up to `times`: what a pull gets
// while pushes are being applied.
bool AreWholePatterns(std::span<const float> floats, uint64_t times) {
  constexpr size_t kPeriod = 5;  // 1, 2, ... 5, as FillPattern makes it
  for (size_t i = 0; i < floats.size(); ++i) {
    const double count = static_cast<double>(floats[i]) / static_cast<double>(1 + i % kPeriod);
    if (count != std::floor(count) || count < 0 || count > static_cast<double>(times)) return false;
  }
  return true;
}

// A worker that pushes its vector, pulls into one, or both.
class Worker {
 public:
  Worker(tideway::Runtime& runtime, const Settings& settings)
      : runtime_(runtime),
        settings_(settings),
        layout_(MakeLayout(settings)),
        delta_(settings.pulls_only() ? 0 : layout_.elements()),
        pulled_(settings.form == "push" ? 0 : layout_.elements()),
        stages_(runtime.executor()) {
    if (settings.lossy()) {
      FillAtRandom(delta_.span());
    } else {
      FillPattern(delta_.span());
    }
    for (float& value : delta_.span()) value = -value;  // the server subtracts
    client_ = Join(runtime, settings, layout_, "bench", settings.stages ? &stages_ : nullptr);
  }

  // To be done over and over.
  Work MakeWork() {
    const bool both = settings_.form == "push-pull" || settings_.form == "bidir";
    return {.bytes = (both ? 2 : 1) * settings_.bytes,
            .pushes = !settings_.pulls_only(),
            .outstanding = settings_.form == "push" ? settings_.outstanding : 1,  // one target
            .operation = nullptr,
            .begin = [this](Work::Ended ended) { Begin(std::move(ended)); },
            .check = [this] { return Check(); },
            .stages = [this] { return "{\"client\": " + stages_.Take() + "}"; }};
  }

  uint64_t pushes() const { return pushes_; }
  StageLog& stages() { return stages_; }

 private:
  absl::Time Deadline() const { return runtime_.executor().Now() + kOperationTimeout; }
  tideway::PushOptions push_options() const {
    return {.inner_steps = 1, .known_finite = settings_.known_finite};
  }

  void Begin(Work::Ended ended) {
    if (settings_.form == "push") {
      Push(std::move(ended));
    } else if (settings_.form == "pull") {
      Pull(std::move(ended));
    } else if (settings_.form == "push-pull") {
      PushPull(std::move(ended));
    } else {
      PushAndPull(std::move(ended));
    }
  }

  void Push(Work::Ended ended) {
    client_->Push(
        delta_.span(), push_options(), Deadline(),
        [this, ended = std::move(ended)](const absl::StatusOr<tideway::PushReport>& report) {
          ++pushes_;
          ended(PushError(report));
        });
  }

  void Pull(Work::Ended ended) {
    client_->Pull(
        pulled(), {}, Deadline(),
        [this, ended = std::move(ended)](const absl::StatusOr<tideway::PullReport>& report) {
          // The server opens its memory when the first client comes that could read it; until
          // then, pulls are asked for.
          const bool open = ++pulls_ > kPullsUntilOpen;
          ended(!report.ok() ? report.status().ToString()
                : settings_.pull == "one-sided" && open &&
                        report->one_sided != layout_.fragments().size()
                    ? "not all was read from the server's memory"
                    : "");
        });
  }

  void PushPull(Work::Ended ended) {
    client_->PushPull(delta_.span(), push_options(), pulled(), {}, Deadline(),
                      [this, ended = std::move(ended)](
                          const absl::StatusOr<tideway::Client::PushPullReport>& report) {
                        ++pushes_;
                        ended(report.ok() ? PushError(report->push) : report.status().ToString());
                      });
  }

  // Both directions at once; ended when both have.
  void PushAndPull(Work::Ended ended) {
    struct Both {  // completions come one at a time
      Work::Ended ended;
      int left = 2;
      std::string error;
    };
    const auto both = std::make_shared<Both>(Both{.ended = std::move(ended)});
    const auto one_ended = [both](const std::string& error) {
      if (both->error.empty()) both->error = error;
      if (--both->left == 0) both->ended(both->error);
    };
    Push(one_ended);
    Pull(one_ended);
  }

  absl::Span<float> pulled() { return absl::MakeSpan(pulled_.data(), pulled_.size()); }

  bool Check() {
    if (settings_.pulls_only()) return IsPattern(pulled_.span(), 1.0);
    if (settings_.lossy()) return NothingIsLost(runtime_, *client_, delta_.span(), pushes_);
    if (!IsPattern(delta_.span(), -1.0)) return false;
    if (settings_.form == "push-pull") {
      return IsPattern(pulled_.span(), static_cast<double>(pushes_));
    }
    return AreWholePatterns(pulled_.span(), pushes_);
  }

  tideway::Runtime& runtime_;
  const Settings& settings_;
  const tideway::Layout layout_;
  Vector delta_;   // empty: it pulls only
  Vector pulled_;  // empty: it pushes only
  StageLog stages_;
  int pulls_ = 0;  // this and the next: completions come one at a time
  uint64_t pushes_ = 0;
  std::unique_ptr<tideway::Client> client_;  // its destructor waits for completions
};

void RunWorker(const Settings& settings) {
  if (settings.form == "incast") return RunIncastWorkers(settings);
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  Worker worker(runtime, settings);
  RunClient(worker.MakeWork());
}

// Both ends in this process: the only way to meet over inproc://.
void RunPair(Settings settings) {
  if (settings.form == "incast") throw std::invalid_argument("incast needs two processes");
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  StageLog at_server(runtime.executor());
  VectorServer server(runtime, settings, settings.stages ? &at_server : nullptr);
  settings.uri = server.address();
  Worker worker(runtime, settings);
  Work work = worker.MakeWork();
  work.check = [&, check = work.check] { return check() && server.Verify(worker.pushes()); };
  work.stages = [&] {
    return "{\"client\": " + worker.stages().Take() + ", \"server\": " + at_server.Take() + "}";
  };
  RunClient(work);
}

// Connected workers that only keep their leases.
void RunIdle(const Settings& settings) {
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  const tideway::Layout layout = MakeLayout(settings);
  std::vector<std::unique_ptr<tideway::Client>> clients;
  for (size_t i = 0; i < settings.workers; ++i) {
    clients.push_back(Join(runtime, settings, layout, "idle-" + std::to_string(i)));
  }
  std::printf("{\"ready\": true}\n");
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line) && line != "quit") {
  }
}

}  // namespace

int PeerMain(int argc, char** argv) {
  return Main([&] {
    const Options options(argc, argv,
                          {"uri", "form", "bytes", "fragment", "threads", "workers", "outstanding",
                           "codec", "finite", "pull", "stages"});
    const Settings settings(options);
    if (options.role() == "server") {
      RunServer(settings);
    } else if (options.role() == "client") {
      RunWorker(settings);
    } else if (options.role() == "pair") {
      RunPair(settings);
    } else if (options.role() == "idle") {
      RunIdle(settings);
    } else {
      throw std::invalid_argument("'" + options.role() +
                                  "' is no role; there are server, client, pair, idle");
    }
  });
}

}  // namespace bench
