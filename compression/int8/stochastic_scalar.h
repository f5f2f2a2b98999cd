// The scalar reference of int8's stochastic rounding (see compression/common/scalar.h), and its random
// numbers: no state, each a function of the seed, the block's data and the element's place.

#ifndef TIDEWAY_COMPRESSION_INT8_STOCHASTIC_SCALAR_H_
#define TIDEWAY_COMPRESSION_INT8_STOCHASTIC_SCALAR_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "compression/common/block_scale.h"
#include "compression/common/blocks.h"
#include "compression/common/scalar.h"

namespace tideway::compression {

inline constexpr uint32_t kElementStep = 0x9e3779b9;

constexpr uint64_t Mix64(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

constexpr uint32_t Mix32(uint32_t x) {
  x = (x ^ x >> 16) * 0x7feb352d;
  x = (x ^ x >> 15) * 0x846ca68b;
  return x ^ x >> 16;
}

// The key of the block with number `block`, whose elements' patterns have this sum.
constexpr uint32_t KeyOf(uint64_t seed, uint64_t block, uint32_t sum) {
  return static_cast<uint32_t>(Mix64(Mix64(seed + block * 0x9e3779b97f4a7c15) + sum) >> 32);
}

namespace scalar {

// Modulo 2^32, so that the order does not matter.
template <bool kFeedback>
inline uint32_t SumOfPatterns(const Pushed& block, size_t from) {
  uint32_t sum = 0;
  for (size_t i = from; i < block.elements; ++i) {
    sum += BitsOf(ElementOf<kFeedback>(block, i) + 0.0f);  // -0 + 0 = +0
  }
  return sum;
}

template <bool kFeedback>
inline void WriteStochastic(const Pushed& block, float scale, uint32_t key, size_t from,
                            std::byte* values) {
  const float reciprocal = ReciprocalOf(scale);
  for (size_t i = from; i < block.elements; ++i) {
    const float e = ElementOf<kFeedback>(block, i);
    const uint32_t random = Mix32(key + static_cast<uint32_t>(i) * kElementStep);
    const float u = static_cast<float>(static_cast<int32_t>(random >> 15 | 1u)) * 0x1p-17f;
    const float x = std::min(std::max(e * reciprocal, -127.0f), 127.0f);
    const float q = std::floor(x + u);
    values[i] = static_cast<std::byte>(static_cast<int32_t>(q));
    if constexpr (kFeedback) block.residual[i] = e - q * scale;
  }
}

struct StochasticEncoding : AbsmaxScale<127> {
  std::byte* values;
  uint64_t seed;
  int block_log2;

  template <bool kFeedback>
  void Write(const Pushed& block, size_t first, float scale) const {
    const uint32_t key = KeyOf(seed, first >> block_log2, SumOfPatterns<kFeedback>(block, 0));
    WriteStochastic<kFeedback>(block, scale, key, 0, values + first);
  }
};

inline uint32_t EncodeInt8Stochastic(const Pushed& pushed, int block_log2, uint64_t seed,
                                     std::byte* scales, std::byte* values) {
  return EncodeBlocks(StochasticEncoding{{}, values, seed, block_log2}, pushed, block_log2, scales);
}

}  // namespace scalar
}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_INT8_STOCHASTIC_SCALAR_H_
