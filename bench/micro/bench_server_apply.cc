// How quick a server applies pushes once they have landed, against the memory that it works in.
//
//   bench_server_apply --benchmark_counters_tabular=true
//
// A round of ServerApply/CODEC/OPTIMIZER goes over all fragments of a model that fits into no cache, once per push of the optimizer's
// window, four times: Fragment::Push on each fragment's strand, on one thread and on two, and a bare loop that only touches the bytes
// which that must touch (memory_traffic.h), in the same pieces on the same threads. All four in turn, another one first in each round,
// so that a neighbour who takes memory bandwidth takes it from each.
//
//   apply_1, apply_2   GB/s of bytes that must be touched (10^9; read and written counts twice), on one and two threads; medians
//   memory_1, memory_2 the same of the bare loop
//   of_bound_1, _2     apply over memory, median of the rounds' pairs; 1: nothing but memory is waited for
//   scaling            how many times as quick two threads apply as one; scaling_memory: what the memory itself allows
//
// "checked" looks the payload through for NaN and infinity, as a server does where no hash was checked on the way (within one host);
// otherwise that was done together with the hash. What was decoded by a lossy codec is always looked through.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "bench/common/noise.h"
#include "bench/micro/memory_traffic.h"
#include "core/optim/staleness.h"
#include "core/runtime/strand.h"
#include "core/server/fragment.h"
#include "tideway/builtin_codecs.h"
#include "tideway/executor.h"
#include "tideway/limits.h"
#include "tideway/outer_optimizer.h"

namespace tideway {
namespace {

constexpr size_t kElements = kFragmentBytesDefault / sizeof(float);
constexpr size_t kThreadsMax = 2;

// What is measured, and what its pushes must touch.
struct Case {
  std::string name;
  std::string codec;
  std::string optimizer;
  bool known_finite;
  // Arrays of the model's size that each push of a window reads and writes: theta, and what the optimizer keeps.
  std::vector<size_t> updated;
};

std::vector<Case> Cases() {
  const std::string dn = "delayed-nesterov:lr=0.7,momentum=0.9,c=0,n=4";
  // The sum of the window with every push, the momentum with the last one only.
  const std::vector<size_t> dn_updates = {2, 2, 2, 3};
  return {{"identity/sgd", "identity", "sgd:lr=0.1", true, {1}},
          {"identity/nesterov", "identity", "nesterov:lr=0.7,momentum=0.9", true, {2}},
          {"identity/delayed_nesterov", "identity", dn, true, dn_updates},
          {"identity/delayed_nesterov/checked", "identity", dn, false, dn_updates},
          {"bf16/delayed_nesterov", "bf16", dn, false, dn_updates},
          {"int8/delayed_nesterov", "int8", dn, false, dn_updates},
          {"int8/sgd", "int8", "sgd:lr=0.1", false, {1}}};
}

// Of each array; two of them are more than any cache holds.
size_t ModelFragments() {
  constexpr size_t kModelBytesMin = size_t{64} << 20;
  const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  const size_t twice = cache > 0 ? 2 * static_cast<size_t>(cache) : 0;
  return std::max(kModelBytesMin, twice) / kFragmentBytesDefault;
}

// Fragments as a server has them, and the payload of a push for each.
class Model {
 public:
  static absl::StatusOr<std::unique_ptr<Model>> Create(const Case& what, size_t fragments) {
    auto codec = BuiltinCodecs().Create(what.codec);
    if (!codec.ok()) return codec.status();
    auto optimizer = BuiltinOuterOptimizers().Create(what.optimizer);
    if (!optimizer.ok()) return optimizer.status();
    auto staleness = optim::StalenessPolicy::Create("accept");
    if (!staleness.ok()) return staleness.status();
    std::unique_ptr<Model> model(
        new Model(what, *std::move(codec), *std::move(optimizer), *std::move(staleness)));
    absl::Status status = model->Fill(fragments);
    if (!status.ok()) return status;
    return model;
  }

  // On the fragment's strand.
  absl::Status Push(size_t at) {
    Slot& slot = *slots_[at];
    ++slot.sequence;
    return slot.fragment
        ->Push({.worker = 1,
                .incarnation = 1,
                .sequence = slot.sequence,
                .floor = slot.sequence - 1,
                .base_version = slot.fragment->version(),
                .codec = codec_.get(),
                .payload = slot.payload,
                .known_finite = known_finite_},
               scratch_)
        .status();
  }
  size_t payload_bytes() const { return slots_[0]->payload.size(); }

 private:
  struct Slot {
    std::unique_ptr<Fragment> fragment;
    std::vector<std::byte> payload;
    uint64_t sequence = 0;
  };

  Model(const Case& what, std::unique_ptr<Codec> codec, std::unique_ptr<OuterOptimizer> optimizer,
        optim::StalenessPolicy staleness)
      : known_finite_(what.known_finite),
        codec_(std::move(codec)),
        optimizer_(std::move(optimizer)),
        staleness_(std::move(staleness)),
        scratch_(size_t{64} << 20) {}

  absl::Status Fill(size_t fragments) {
    std::vector<float> delta(kElements);
    bench::FillWithNoise(delta, kElements);
    std::vector<std::byte> payload(codec_->Bound(kElements));
    auto bytes = codec_->Encode(delta, {}, {}, absl::MakeSpan(payload));
    if (!bytes.ok()) return bytes.status();
    payload.resize(*bytes);
    for (size_t i = 0; i < fragments; ++i) {
      Fragment::State state;
      state.theta.assign(kElements, 0.0f);
      state.optimizer = optimizer_->NewState(kElements);
      const FragmentSpec spec = {.id = static_cast<uint32_t>(i),
                                 .offset = i * kElements,
                                 .elements = kElements,
                                 .server = 0};
      slots_.push_back(std::make_unique<Slot>());
      slots_.back()->payload = payload;
      slots_.back()->fragment =
          std::make_unique<Fragment>(spec, std::move(state), optimizer_.get(), &staleness_);
    }
    return absl::OkStatus();
  }

  const bool known_finite_;
  const std::unique_ptr<const Codec> codec_;
  const std::unique_ptr<const OuterOptimizer> optimizer_;
  const optim::StalenessPolicy staleness_;
  BufferPool scratch_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

// The threads of a server, and a strand per fragment on them.
class Strands {
 public:
  Strands(int threads, size_t fragments) : executor_(NewThreadExecutor({.threads = threads})) {
    for (size_t i = 0; i < fragments; ++i) strands_.emplace_back(executor_.get());
  }

  // Seconds until `work` has been done `times` times for every fragment.
  template <typename Work>
  double Run(size_t times, Work work) {
    absl::BlockingCounter left(static_cast<int>(times * strands_.size()));
    const auto start = std::chrono::steady_clock::now();
    for (size_t time = 0; time < times; ++time) {
      for (size_t fragment = 0; fragment < strands_.size(); ++fragment) {
        strands_[fragment].Post([&work, &left, time, fragment] {
          work(fragment, time);
          left.DecrementCount();
        });
      }
    }
    left.Wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  const std::unique_ptr<Executor> executor_;
  std::vector<Strand> strands_;
};

// Seconds of each round.
struct Times {
  std::array<std::vector<double>, kThreadsMax> apply;
  std::array<std::vector<double>, kThreadsMax> memory;
};

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double MedianRatio(const std::vector<double>& values, const std::vector<double>& others) {
  std::vector<double> ratios;
  for (size_t i = 0; i < values.size(); ++i) ratios.push_back(values[i] / others[i]);
  return Median(std::move(ratios));
}

void Report(benchmark::State& state, const Times& times, double bytes) {
  for (size_t i = 0; i < kThreadsMax; ++i) {
    const std::string threads = std::to_string(i + 1);
    state.counters["apply_" + threads] = 1e-9 * bytes / Median(times.apply[i]);
    state.counters["memory_" + threads] = 1e-9 * bytes / Median(times.memory[i]);
    state.counters["of_bound_" + threads] = MedianRatio(times.memory[i], times.apply[i]);
  }
  state.counters["scaling"] = MedianRatio(times.apply[0], times.apply[1]);
  state.counters["scaling_memory"] = MedianRatio(times.memory[0], times.memory[1]);
}

class Measurement {
 public:
  Measurement(const Case& what, Model& model, size_t fragments)
      : window_(what.updated),
        model_(model),
        traffic_(fragments, kElements, model.payload_bytes(),
                 *std::max_element(window_.begin(), window_.end())),
        one_(1, fragments),
        two_(2, fragments) {
    for (const size_t updated : window_) {
      bytes_ += static_cast<double>(fragments * traffic_.BytesOf(updated));
    }
  }

  // Of a round, which measures each of the four once.
  double bytes() const { return bytes_; }

  void Round(size_t round, Times& times) {
    for (size_t i = 0; i < 2 * kThreadsMax; ++i) {
      const size_t turn = (round + i) % (2 * kThreadsMax);
      Strands& strands = turn % kThreadsMax == 0 ? one_ : two_;
      if (turn < kThreadsMax) {
        times.apply[turn].push_back(Apply(strands));
      } else {
        times.memory[turn - kThreadsMax].push_back(Touch(strands));
      }
    }
  }

  absl::Status status() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  double Apply(Strands& strands) {
    return strands.Run(window_.size(), [this](size_t fragment, size_t) {
      const absl::Status status = model_.Push(fragment);
      if (status.ok()) return;
      absl::MutexLock lock(&mutex_);
      status_.Update(status);
    });
  }

  double Touch(Strands& strands) {
    return strands.Run(window_.size(), [this](size_t fragment, size_t push) {
      traffic_.Touch(fragment, window_[push]);
    });
  }

  const std::vector<size_t> window_;
  Model& model_;
  bench::MemoryTraffic traffic_;
  Strands one_;
  Strands two_;
  double bytes_ = 0;
  mutable absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

void ServerApply(benchmark::State& state, const Case& what) {
  const size_t fragments = ModelFragments();
  const auto model = Model::Create(what, fragments);
  if (!model.ok()) return state.SkipWithError(model.status().ToString().c_str());
  Measurement measurement(what, **model, fragments);
  Times warm_up;
  measurement.Round(0, warm_up);
  Times times;
  size_t round = 0;
  for (auto _ : state) measurement.Round(round++, times);
  const absl::Status status = measurement.status();
  if (!status.ok()) return state.SkipWithError(status.ToString().c_str());
  Report(state, times, measurement.bytes());
}

}  // namespace
}  // namespace tideway

int main(int argc, char** argv) {
  for (const tideway::Case& what : tideway::Cases()) {
    benchmark::RegisterBenchmark(
        ("ServerApply/" + what.name).c_str(),
        [what](benchmark::State& state) { tideway::ServerApply(state, what); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
