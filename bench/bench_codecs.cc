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
#ifdef TIDEWAY_BENCH_TORCH
#include "bench/torch_topk.h"
#endif

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

// What the server does with a delta that no codec has made smaller.
void DenseAdd(benchmark::State& state) {
  Vectors& vectors = Shared();
  size_t fragment = 0;
  for (auto _ : state) {
    const float* const delta = vectors.Delta(fragment).data();
    float* __restrict const accumulator = vectors.Other(fragment).data();
    for (size_t i = 0; i < kFragment; ++i) accumulator[i] += 0.5f * delta[i];
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
  size_t written = out.size();
  for (auto _ : state) {
    const auto bytes = codec.Encode(vectors.Delta(fragment),
                                    feedback ? vectors.Other(fragment) : absl::Span<float>(), {},
                                    absl::MakeSpan(out));
    if (!bytes.ok()) return state.SkipWithError(bytes.status().ToString().c_str());
    written = *bytes;
    benchmark::ClobberMemory();
    fragment = (fragment + 1) % kFragments;
  }
  CountBytes(state);
  state.counters["ratio"] =
      static_cast<double>(kFragment * sizeof(float)) / static_cast<double>(written);
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

// Two versions of bf16 weights, of which so many percent changed by a little.
struct TwoVersions {
  std::vector<uint16_t> from = std::vector<uint16_t>(2 * kFragment * kFragments);
  std::vector<uint16_t> to;

  explicit TwoVersions(double percent) {
    std::mt19937_64 random(2);
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint16_t>(0x3c00 + i % 0x200);
    to = from;
    const auto limit = static_cast<uint64_t>(percent / 100 * 0x1p32);
    for (uint16_t& word : to) {
      const uint64_t draw = random();
      if (draw >> 32 < limit) word = static_cast<uint16_t>(word + 1 + draw % 4);
    }
  }
  absl::Span<std::byte> Bytes(std::vector<uint16_t>& words, size_t fragment) const {
    return absl::MakeSpan(reinterpret_cast<std::byte*>(words.data() + fragment * 2 * kFragment),
                          kFragment * sizeof(float));
  }
};

// bytes_per_second counts the bytes of one version.
void Difference(benchmark::State& state, const VersionDifference& difference, double percent,
                bool encode) {
  TwoVersions versions(percent);
  std::vector<std::vector<std::byte>> encoded(kFragments);
  size_t fragment = 0;
  const auto make = [&] {
    std::vector<std::byte>& out = encoded[fragment];
    out.resize(difference.Bound(kFragment * sizeof(float)));
    return difference.Encode(versions.Bytes(versions.from, fragment),
                             versions.Bytes(versions.to, fragment), 2, absl::MakeSpan(out));
  };
  size_t bytes = 0;
  for (; fragment < kFragments; ++fragment) {
    bytes = *make();
    encoded[fragment].resize(bytes);
  }
  fragment = 0;
  for (auto _ : state) {
    const absl::Status status =
        encode ? make().status()
               : difference.Apply(encoded[fragment], 2, versions.Bytes(versions.from, fragment));
    if (!status.ok()) return state.SkipWithError(status.ToString().c_str());
    benchmark::ClobberMemory();
    fragment = (fragment + 1) % kFragments;
  }
  CountBytes(state);
  state.counters["ratio"] =
      static_cast<double>(kFragment * sizeof(float)) / static_cast<double>(bytes);
}

void RegisterDifference(const CodecRegistry& registry, double percent) {
  const std::shared_ptr<const Codec> codec = *registry.Create("sparse_lossless");
  const std::string name = std::to_string(percent).substr(0, 5) + "%";
  for (const bool encode : {true, false}) {
    benchmark::RegisterBenchmark(
        ((encode ? "EncodeDifference/bf16/" : "ApplyDifference/bf16/") + name).c_str(),
        [=](benchmark::State& state) {
          Difference(state, *codec->version_difference(), percent, encode);
        });
  }
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
  benchmark::RegisterBenchmark("DenseAdd", DenseAdd);
#ifdef TIDEWAY_BENCH_TORCH
  bench::RegisterTorchTopk([]() -> const float* { return Shared().delta.data(); });
#endif
  const CodecRegistry registry = BuiltinCodecs();
  for (const CodecEntry& entry : registry.entries()) {
    if (entry.create != nullptr) Register(registry, entry.name);
  }
  for (const char* spec :
       {"int8:block=1024", "int8:rounding=stochastic", "topk:density=0.01,values=int8",
        "topk:density=0.1,values=bf16", "topk:density=0.001,values=fp32",
        "int8:block=256+zstd:level=3", "topk:density=0.01,values=int8+zstd",
        "topk:chunk=4096,density=0.015625,values=int2,block=64"}) {
    Register(registry, spec);
  }
  for (const double percent : {0.1, 2.0, 100.0}) RegisterDifference(registry, percent);
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
