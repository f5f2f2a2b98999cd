// A delta as codecs meet it: normal noise, which no codec finds easy.

#ifndef TIDEWAY_BENCH_COMMON_NOISE_H_
#define TIDEWAY_BENCH_COMMON_NOISE_H_

#include <cstddef>
#include <span>

namespace bench {

// The same at every call. Noise of one `period` and a little more, shifted from period to period: random enough, and quick to make.
// REQUIRES: period > 0.
void FillWithNoise(std::span<float> floats, size_t period);

}  // namespace bench

#endif  // TIDEWAY_BENCH_COMMON_NOISE_H_
