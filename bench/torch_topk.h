// The peer of topk: what a program on PyTorch does to find the same elements.

#ifndef TIDEWAY_BENCH_TORCH_TOPK_H_
#define TIDEWAY_BENCH_TORCH_TOPK_H_

#include <cstddef>

namespace tideway::bench {

// Adds the case TorchTopk: abs().topk of 1 % of 8 M elements (8 * 2^20), on one thread. `delta` is
// called when the case runs and hands out at least so many.
void RegisterTorchTopk(const float* (*delta)());

}  // namespace tideway::bench

#endif  // TIDEWAY_BENCH_TORCH_TOPK_H_
