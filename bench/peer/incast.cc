#include "bench/peer/incast.h"

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "bench/common/control.h"
#include "bench/common/histogram.h"
#include "bench/common/vectors.h"
#include "tideway/executor.h"

namespace bench {
namespace {

Settings Small(Settings settings) {
  settings.bytes = kSmallPushBytes;
  return settings;
}

// What a worker pushes: the server subtracts.
void FillDelta(std::span<float> delta) {
  FillPattern(delta);
  for (float& value : delta) value = -value;
}

// Pushes one small vector after the other for as long as it lives.
class SmallPusher {
 public:
  SmallPusher(tideway::Runtime& runtime, const Settings& settings)
      : runtime_(runtime),
        layout_(MakeLayout(settings)),
        delta_(layout_.elements()),
        client_(Join(runtime, settings, layout_, "small")) {
    FillDelta(delta_.span());
    Push();
  }

  // What was counted since the last call. What went wrong, if anything, is thrown.
  Histogram Take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!error_.empty()) throw std::runtime_error("a small push: " + error_);
    return std::exchange(latencies_, Histogram());
  }

  ~SmallPusher() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
    }
    client_->Close();
  }

 private:
  void Push() {
    const absl::Time begun = runtime_.executor().Now();
    client_->Push(delta_.span(), {.inner_steps = 1, .known_finite = true},
                  begun + kOperationTimeout,
                  [this, begun](const absl::StatusOr<tideway::PushReport>& report) {
                    if (GoesOn(begun, report)) Push();
                  });
  }

  bool GoesOn(absl::Time begun, const absl::StatusOr<tideway::PushReport>& report) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (ending_) return false;
    error_ = PushError(report);
    latencies_.Record(
        static_cast<uint64_t>(absl::ToInt64Nanoseconds(runtime_.executor().Now() - begun)));
    return error_.empty();
  }

  tideway::Runtime& runtime_;
  const tideway::Layout layout_;
  Vector delta_;
  std::mutex mutex_;
  Histogram latencies_;
  std::string error_;
  bool ending_ = false;
  std::unique_ptr<tideway::Client> client_;  // its destructor waits for completions
};

// The large pushes: as many workers as there are operations under way, and all push the same memory.
class Crowd {
 public:
  Crowd(tideway::Runtime& runtime, const Settings& settings)
      : runtime_(runtime), layout_(MakeLayout(settings)), delta_(layout_.elements()) {
    FillDelta(delta_.span());
    for (size_t i = 0; i < settings.workers; ++i) {
      clients_.push_back(Join(runtime, settings, layout_, "worker-" + std::to_string(i)));
      idle_.push_back(clients_.back().get());
    }
  }

  void Push(Work::Ended ended) {
    tideway::Client* const client = TakeIdle();
    client->Push(delta_.span(), {.inner_steps = 1, .known_finite = true},
                 runtime_.executor().Now() + kOperationTimeout,
                 [this, client,
                  ended = std::move(ended)](const absl::StatusOr<tideway::PushReport>& report) {
                   {
                     const std::lock_guard<std::mutex> lock(mutex_);
                     idle_.push_back(client);
                   }
                   ended(PushError(report));
                 });
  }

  bool Unchanged() const { return IsPattern(delta_.span(), -1.0); }

 private:
  tideway::Client* TakeIdle() {
    const std::lock_guard<std::mutex> lock(mutex_);
    tideway::Client* const client = idle_.back();
    idle_.pop_back();
    return client;
  }

  tideway::Runtime& runtime_;
  const tideway::Layout layout_;
  Vector delta_;
  std::mutex mutex_;
  std::vector<tideway::Client*> idle_;
  std::vector<std::unique_ptr<tideway::Client>> clients_;
};

}  // namespace

void RunIncastServer(const Settings& settings) {
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  VectorServer large(runtime, settings);
  const Settings small_settings = Small(settings);
  const VectorServer small(runtime, small_settings);
  ServeDriver(large.address() + "|" + small.address(),
              [&](uint64_t pushes) { return large.Verify(pushes); });
}

void RunIncastWorkers(const Settings& settings) {
  const size_t bar = settings.uri.find('|');
  if (bar == std::string::npos) throw std::invalid_argument("--uri needs both addresses: A|B");
  Settings large_settings = settings;
  large_settings.uri = settings.uri.substr(0, bar);
  Settings small_settings = Small(settings);
  small_settings.uri = settings.uri.substr(bar + 1);
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  Crowd crowd(runtime, large_settings);
  SmallPusher small(runtime, small_settings);
  RunClient({.bytes = settings.bytes,
             .pushes = true,
             .outstanding = settings.workers,
             .operation = nullptr,
             .begin = [&](Work::Ended ended) { crowd.Push(std::move(ended)); },
             .check = [&] { return crowd.Unchanged(); },
             .beside = [&] { return small.Take(); }});
}

}  // namespace bench
