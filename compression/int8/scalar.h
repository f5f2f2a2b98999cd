// The scalar reference of the int8 kernels: see compression/common/scalar.h.

#ifndef TIDEWAY_COMPRESSION_INT8_SCALAR_H_
#define TIDEWAY_COMPRESSION_INT8_SCALAR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "compression/common/block_scale.h"
#include "compression/common/blocks.h"
#include "compression/common/scalar.h"

namespace tideway::compression::scalar {

template <bool kFeedback>
inline void WriteInt8(const Pushed& block, float scale, size_t from, std::byte* values) {
  const float reciprocal = ReciprocalOf(scale);
  for (size_t i = from; i < block.elements; ++i) {
    const float e = ElementOf<kFeedback>(block, i);
    const int32_t q = Quantize(e, reciprocal);
    values[i] = static_cast<std::byte>(q);
    if constexpr (kFeedback) block.residual[i] = e - static_cast<float>(q) * scale;
  }
}

// False if a value is -128, which no encoder writes.
inline bool AddInt8(const std::byte* values, size_t from, size_t elements, float block_scale,
                    float scale, float* accumulator) {
  int32_t least = 0;
  for (size_t i = from; i < elements; ++i) {
    const int32_t q = static_cast<int8_t>(values[i]);
    least = std::min(least, q);
    accumulator[i] += scale * (static_cast<float>(q) * block_scale);
  }
  return least >= -127;
}

struct Int8Encoding : AbsmaxScale<127> {
  std::byte* values;

  template <bool kFeedback>
  void Write(const Pushed& block, size_t first, float scale) const {
    WriteInt8<kFeedback>(block, scale, 0, values + first);
  }
};

struct Int8Adding {
  const std::byte* values;
  float scale;
  float* accumulator;

  bool Add(size_t first, size_t elements, uint32_t scale_bits) const {
    return IsScale(scale_bits) &&
           AddInt8(values + first, 0, elements, FloatOf(scale_bits), scale, accumulator + first);
  }
};

inline uint32_t EncodeInt8(const Pushed& pushed, int block_log2, std::byte* scales,
                           std::byte* values) {
  return EncodeBlocks(Int8Encoding{{}, values}, pushed, block_log2, scales);
}

inline bool DecodeAddInt8(const std::byte* scales, const std::byte* values, int block_log2,
                          size_t elements, float scale, float* accumulator) {
  return AddBlocks(Int8Adding{values, scale, accumulator}, scales, block_log2, elements);
}

}  // namespace tideway::compression::scalar

#endif  // TIDEWAY_COMPRESSION_INT8_SCALAR_H_
