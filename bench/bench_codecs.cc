// How fast the codecs are, against memcpy of the same vector in the same run.
//
//   bench_codecs --benchmark_filter='int8' --benchmark_format=json
//
// The delta is a vector of 256 MiB, worked through in fragments of 4 MiB, so that it comes from
// memory and not from a cache. bytes_per_second counts fp32 bytes of the delta. The cases named
// .../real_time/threads:1 and threads:2 show how two threads scale; each works on its own half.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tideway/builtin_codecs.h"
#include "tideway/codec.h"

namespace tideway {
namespace {

constexpr size_t kFragment = (size_t{4} << 20) / sizeof(float);
constexpr size_t kFragments = 64;

// One delta and one second vector (residual, accumulator or memcpy's target), shared by all cases.
struct Vectors {
  std::vector<float> delta = std::vector<float>(kFragment * kFragments);
  std::vector<float> other = std::vector<float>(kFragment * kFragments, 0.0f);

  Vectors() {
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal(0.0f, 0.01f);
    // One fragment of noise, shifted and scaled, is random enough and quick to make.
    std::vector<float> noise(kFragment + kFragments * 61);
    for (float& value : noise) value = normal(random);
    for (size_t i = 0; i < delta.size(); ++i) {
      delta[i] = noise[i % kFragment + (i / kFragment) * 61];
    }
  }

  absl::Span<const float> Delta(size_t fragment) const {
    return absl::MakeConstSpan(delta).subspan(fragment * kFragment, kFragment);
  }
  absl::Span<float> Other(size_t fragment) {
    return absl::MakeSpan(other).subspan(fragment * kFragment, kFragment);
  }
};

// Where a thread begins; its fragments follow one another from there, round the vector.
size_t FirstFragment(const benchmark::State& state) {
  return static_cast<size_t>(state.thread_index()) * kFragments /
         static_cast<size_t>(state.threads());
}

Vectors& Shared() {
  static auto* const vectors = new Vectors;
  return *vectors;
}

void CountBytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(kFragment * sizeof(float)));
}

void Memcpy(benchmark::State& state) {
  Vectors& vectors = Shared();
  size_t fragment = FirstFragment(state);
  for (auto _ : state) {
    std::memcpy(vectors.Other(fragment).data(), vectors.Delta(fragment).data(),
                kFragment * sizeof(float));
    benchmark::ClobberMemory();
    fragment = (fragment + 1) % kFragments;
  }
  CountBytes(state);
}

void Encode(benchmark::State& state, const Codec& codec, bool feedback) {
  Vectors& vectors = Shared();
  if (state.thread_index() == 0) std::fill(vectors.other.begin(), vectors.other.end(), 0.0f);
  std::vector<std::byte> out(codec.Bound(kFragment));
  size_t fragment = FirstFragment(state);
  for (auto _ : state) {
    const auto bytes = codec.Encode(vectors.Delta(fragment),
                                    feedback ? vectors.Other(fragment) : absl::Span<float>(), {},
                                    absl::MakeSpan(out));
    if (!bytes.ok()) return state.SkipWithError(bytes.status().ToString().c_str());
    benchmark::ClobberMemory();
    fragment = (fragment + 1) % kFragments;
  }
  CountBytes(state);
  state.counters["ratio"] =
      static_cast<double>(kFragment * sizeof(float)) / static_cast<double>(out.size());
}

void DecodeAdd(benchmark::State& state, const Codec& codec) {
  Vectors& vectors = Shared();
  if (state.thread_index() == 0) std::fill(vectors.other.begin(), vectors.other.end(), 0.0f);
  // As many encoded fragments as there are, so that these too come from memory.
  std::vector<std::vector<std::byte>> encoded(kFragments);
  for (size_t fragment = 0; fragment < kFragments; ++fragment) {
    encoded[fragment].resize(codec.Bound(kFragment));
    const auto bytes =
        codec.Encode(vectors.Delta(fragment), {}, {}, absl::MakeSpan(encoded[fragment]));
    if (!bytes.ok()) return state.SkipWithError(bytes.status().ToString().c_str());
    encoded[fragment].resize(*bytes);
  }
  size_t fragment = FirstFragment(state);
  for (auto _ : state) {
    const absl::Status status = codec.DecodeAdd(encoded[fragment], 0.5f, vectors.Other(fragment));
    if (!status.ok()) return state.SkipWithError(status.ToString().c_str());
    benchmark::ClobberMemory();
    fragment = (fragment + 1) % kFragments;
  }
  CountBytes(state);
}

void Register(const CodecRegistry& registry, const std::string& spec) {
  auto made = registry.Create(spec);
  if (!made.ok()) {
    std::fprintf(stderr, "%s\n", made.status().ToString().c_str());
    return;
  }
  const std::shared_ptr<const Codec> codec = *std::move(made);
  benchmark::RegisterBenchmark(("Encode/" + spec).c_str(),
                               [codec](benchmark::State& state) { Encode(state, *codec, false); });
  benchmark::RegisterBenchmark(("EncodeWithFeedback/" + spec).c_str(),
                               [codec](benchmark::State& state) { Encode(state, *codec, true); });
  benchmark::RegisterBenchmark(("DecodeAdd/" + spec).c_str(),
                               [codec](benchmark::State& state) { DecodeAdd(state, *codec); });
}

void OnTwoThreads(benchmark::internal::Benchmark* benchmark) {
  benchmark->ThreadRange(1, 2)->UseRealTime();
}

void RegisterThreads(const CodecRegistry& registry, const std::string& spec) {
  const std::shared_ptr<const Codec> codec = *registry.Create(spec);
  OnTwoThreads(benchmark::RegisterBenchmark(
      ("Encode/" + spec).c_str(),
      [codec](benchmark::State& state) { Encode(state, *codec, false); }));
  OnTwoThreads(
      benchmark::RegisterBenchmark(("DecodeAdd/" + spec).c_str(),
                                   [codec](benchmark::State& state) { DecodeAdd(state, *codec); }));
}

void RegisterAll() {
  benchmark::RegisterBenchmark("Memcpy", Memcpy);
  const CodecRegistry registry = BuiltinCodecs();
  for (const CodecEntry& entry : registry.entries()) Register(registry, entry.name);
  for (const char* spec :
       {"int8:block=1024", "int8:rounding=stochastic", "topk:density=0.01,values=int8",
        "topk:density=0.1,values=bf16", "topk:density=0.001,values=fp32"}) {
    Register(registry, spec);
  }
  OnTwoThreads(benchmark::RegisterBenchmark("Memcpy", Memcpy));
  for (const char* spec : {"int8", "bf16"}) RegisterThreads(registry, spec);
}

}  // namespace
}  // namespace tideway

int main(int argc, char** argv) {
  tideway::RegisterAll();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
