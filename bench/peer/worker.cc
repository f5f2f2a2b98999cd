#include "bench/peer/worker.h"

#include <cmath>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

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

}  // namespace

Worker::Worker(tideway::Runtime& runtime, const Settings& settings)
    : runtime_(runtime),
      settings_(settings),
      layout_(MakeLayout(settings)),
      pulled_(settings.form == "push" ? 0 : layout_.elements()),
      stages_(runtime.executor()),
      client_(Join(runtime, settings, layout_, "bench", settings.stages ? &stages_ : nullptr)) {
  if (settings.pulls_only()) return;
  // A lossy codec writes what it makes of the delta elsewhere anyway.
  if (settings.shared_delta && !settings.lossy() && client_->connections()[0].in_memory) {
    shared_delta_ = Get(client_->NewDelta());
  } else {
    own_delta_.emplace(layout_.elements());
  }
  if (settings.lossy()) {
    FillAtRandom(delta());
  } else {
    FillPattern(delta());
  }
  for (float& value : delta()) value = -value;  // the server subtracts
}

std::span<float> Worker::delta() {
  if (!shared_delta_.has_value()) return own_delta_->span();
  const absl::Span<float> shared = shared_delta_->span();
  return {shared.data(), shared.size()};
}

Work Worker::MakeWork() {
  const bool both = settings_.exchanges() || settings_.form == "bidir";
  return {.bytes = (both ? 2 : 1) * settings_.bytes,
          .pushes = !settings_.pulls_only(),
          .outstanding = settings_.form == "push" ? settings_.outstanding : 1,  // one target
          .operation = nullptr,
          .begin = [this](Work::Ended ended) { Begin(std::move(ended)); },
          .check = [this] { return Check(); },
          .stages = [this] { return "{\"client\": " + stages_.Take() + "}"; }};
}

void Worker::Begin(Work::Ended ended) {
  if (settings_.form == "push") {
    Push(std::move(ended));
  } else if (settings_.form == "pull") {
    Pull(std::move(ended));
  } else if (settings_.exchanges()) {
    PushPull(std::move(ended));
  } else {
    PushAndPull(std::move(ended));
  }
}

void Worker::Push(Work::Ended ended) {
  client_->Push(
      delta(), push_options(), Deadline(),
      [this, ended = std::move(ended)](const absl::StatusOr<tideway::PushReport>& report) {
        ++pushes_;
        ended(PushError(report));
      });
}

void Worker::Pull(Work::Ended ended) {
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

void Worker::PushPull(Work::Ended ended) {
  client_->PushPull(delta(), push_options(), pulled(), {}, Deadline(),
                    [this, ended = std::move(ended)](
                        const absl::StatusOr<tideway::Client::PushPullReport>& report) {
                      ++pushes_;
                      ended(report.ok() ? PushError(report->push) : report.status().ToString());
                    });
}

void Worker::PushAndPull(Work::Ended ended) {
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

bool Worker::Check() {
  if (settings_.pulls_only()) return IsPattern(pulled_.span(), 1.0);
  if (settings_.lossy()) return NothingIsLost(runtime_, *client_, delta(), pushes_);
  if (!IsPattern(delta(), -1.0)) return false;
  if (settings_.exchanges()) {
    return IsPattern(pulled_.span(), static_cast<double>(pushes_));
  }
  return AreWholePatterns(pulled_.span(), pushes_);
}

}  // namespace bench
