#include "bench/torch_topk.h"

#include <benchmark/benchmark.h>
#include <torch/torch.h>

#include <cstdint>

namespace tideway::bench {
namespace {

constexpr int64_t kElements = int64_t{8} << 20;

void TorchTopk(benchmark::State& state, const float* delta) {
  torch::NoGradGuard no_gradients;
  torch::set_num_threads(1);
  // from_blob asks for a pointer to what may be written; topk writes nothing.
  const torch::Tensor values =
      torch::from_blob(const_cast<float*>(delta), {kElements}, torch::kFloat32);
  for (auto _ : state) {
    benchmark::DoNotOptimize(values.abs().topk(kElements / 100, 0, true, false));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * kElements *
                          static_cast<int64_t>(sizeof(float)));
}

}  // namespace

void RegisterTorchTopk(const float* (*delta)()) {
  benchmark::RegisterBenchmark("TorchTopk",
                               [delta](benchmark::State& state) { TorchTopk(state, delta()); });
}

}  // namespace tideway::bench
