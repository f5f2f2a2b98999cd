// What the steps of a push cost one by one, without a wire: framing, hash and scan, dedup, dispatch, the outer step.
//
//   bench_core --benchmark_filter=Header --benchmark_format=json
//
// Scans and outer steps go over fragments of the default size, of which there are so many that they come from memory and not from a
// cache. bytes_per_second counts fp32 bytes of the delta.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/types/span.h"
#include "core/runtime/strand.h"
#include "core/server/dedup_window.h"
#include "core/wire/frame.h"
#include "core/wire/payload_scan.h"
#include "tideway/executor.h"
#include "tideway/limits.h"
#include "tideway/outer_optimizer.h"

namespace tideway {
namespace {

constexpr size_t kElements = kFragmentBytesDefault / sizeof(float);
constexpr size_t kFragments = 32;
constexpr int kHops = 1000;
constexpr uint64_t kUnacknowledged =
    16;  // pushes of one client to one fragment that it may send again

void CountFragmentBytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(kFragmentBytesDefault));
}

// Fragments one after the other, round and round.
class Fragments {
 public:
  Fragments() : floats_(kElements * kFragments, 0.5f) {}

  absl::Span<float> Next() {
    at_ = (at_ + 1) % kFragments;
    return absl::MakeSpan(floats_).subspan(at_ * kElements, kElements);
  }
  absl::Span<const std::byte> NextBytes() {
    const absl::Span<float> floats = Next();
    return {reinterpret_cast<const std::byte*>(floats.data()), kFragmentBytesDefault};
  }

 private:
  std::vector<float> floats_;
  size_t at_ = 0;
};

// Made once: filling them takes longer than a short run.
Fragments& Theta() {
  static auto* const fragments = new Fragments;
  return *fragments;
}
Fragments& Delta() {
  static auto* const fragments = new Fragments;
  return *fragments;
}

wire::FrameHeader PushHeader() {
  wire::FrameHeader header;
  header.type = static_cast<uint8_t>(wire::FrameType::kPush);
  header.elements = kElements;
  header.payload_hash = 1;
  header.payload_bytes = kFragmentBytesDefault;
  return header;
}

void WriteHeader(benchmark::State& state) {
  wire::FrameHeader header = PushHeader();
  std::byte out[wire::kFrameHeaderBytes];
  for (auto _ : state) {
    ++header.sequence;
    wire::WriteHeader(header, out);
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(WriteHeader);

void ReadHeader(benchmark::State& state) {
  std::byte bytes[wire::kFrameHeaderBytes];
  wire::WriteHeader(PushHeader(), bytes);
  for (auto _ : state) {
    const auto header = wire::ReadHeader(bytes, kFragmentBytesDefault);
    if (!header.ok()) return state.SkipWithError(header.status().ToString().c_str());
    benchmark::DoNotOptimize(*header);
  }
}
BENCHMARK(ReadHeader);

void HashPayload(benchmark::State& state) {
  Fragments& fragments = Delta();
  for (auto _ : state) benchmark::DoNotOptimize(wire::HashPayload(fragments.NextBytes()));
  CountFragmentBytes(state);
}
BENCHMARK(HashPayload);

void ScanFloats(benchmark::State& state) {
  Fragments& fragments = Delta();
  for (auto _ : state) benchmark::DoNotOptimize(wire::ScanFloats(fragments.NextBytes()));
  CountFragmentBytes(state);
}
BENCHMARK(ScanFloats);

void AllFinite(benchmark::State& state) {
  Fragments& fragments = Delta();
  for (auto _ : state) benchmark::DoNotOptimize(wire::AllFinite(fragments.NextBytes()));
  CountFragmentBytes(state);
}
BENCHMARK(AllFinite);

// A new push: looked up, remembered, and an old one forgotten.
void DedupOfANewPush(benchmark::State& state) {
  DedupWindow window(1);
  uint64_t sequence = 0;
  for (auto _ : state) {
    ++sequence;
    benchmark::DoNotOptimize(window.Find(sequence));
    if (sequence > kUnacknowledged) window.RaiseFloor(sequence - kUnacknowledged);
    window.Insert({.sequence = sequence, .version = sequence, .verdict = wire::Verdict::kApplied});
  }
}
BENCHMARK(DedupOfANewPush);

// From one task to the next, which a thread of the executor runs.
void ExecutorHop(benchmark::State& state) {
  const std::unique_ptr<Executor> executor = NewThreadExecutor({.threads = 2});
  for (auto _ : state) {
    absl::Notification done;
    int left = kHops;
    std::function<void()> hop = [&] {
      if (--left == 0) return done.Notify();
      executor->Post([&] { hop(); });
    };
    executor->Post([&] { hop(); });
    done.WaitForNotification();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kHops);
}
BENCHMARK(ExecutorHop)->UseRealTime();

// The same on a fragment's strand.
void StrandHop(benchmark::State& state) {
  const std::unique_ptr<Executor> executor = NewThreadExecutor({.threads = 2});
  Strand strand(executor.get());
  for (auto _ : state) {
    absl::Notification done;
    int left = kHops;
    std::function<void()> hop = [&] {
      if (--left == 0) return done.Notify();
      strand.Post([&] { hop(); });
    };
    strand.Post([&] { hop(); });
    done.WaitForNotification();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kHops);
}
BENCHMARK(StrandHop)->UseRealTime();

void OuterStep(benchmark::State& state, const std::string& spec) {
  const auto optimizer = BuiltinOuterOptimizers().Create(spec);
  if (!optimizer.ok()) return state.SkipWithError(optimizer.status().ToString().c_str());
  Fragments& theta = Theta();
  Fragments& delta = Delta();
  std::vector<OuterState> states(kFragments);
  for (OuterState& one : states) one = (*optimizer)->NewState(kElements);
  size_t fragment = 0;
  for (auto _ : state) {
    fragment = (fragment + 1) % kFragments;
    const auto applied = (*optimizer)->Apply(theta.Next(), delta.Next(), {}, states[fragment]);
    if (!applied.ok()) return state.SkipWithError(applied.status().ToString().c_str());
  }
  CountFragmentBytes(state);
}
BENCHMARK_CAPTURE(OuterStep, sgd, "sgd:lr=1");
BENCHMARK_CAPTURE(OuterStep, nesterov, "nesterov:lr=0.7,momentum=0.9");
BENCHMARK_CAPTURE(OuterStep, delayed_nesterov, "delayed-nesterov:lr=0.7,momentum=0.9,c=0,n=4");

}  // namespace
}  // namespace tideway

BENCHMARK_MAIN();
