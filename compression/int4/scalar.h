// The scalar reference of the int4 kernels: see compression/common/scalar.h.

#ifndef TIDEWAY_COMPRESSION_INT4_SCALAR_H_
#define TIDEWAY_COMPRESSION_INT4_SCALAR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "compression/common/block_scale.h"
#include "compression/common/blocks.h"
#include "compression/common/scalar.h"

namespace tideway::compression {

inline constexpr int kInt4Levels = 7;

namespace scalar {

template <bool kFeedback>
inline uint32_t Nibble(const Pushed& block, float scale, float reciprocal, size_t i) {
  const float e = ElementOf<kFeedback>(block, i);
  const int32_t q = Quantize(e, reciprocal);
  if constexpr (kFeedback) block.residual[i] = e - static_cast<float>(q) * scale;
  return static_cast<uint32_t>(q) & 0xfu;
}

// `from` is even. The upper half of the last byte of an odd count is zero.
template <bool kFeedback>
inline void WriteInt4(const Pushed& block, float scale, size_t from, std::byte* values) {
  const float reciprocal = ReciprocalOf(scale);
  for (size_t i = from; i < block.elements; i += 2) {
    uint32_t pair = Nibble<kFeedback>(block, scale, reciprocal, i);
    if (i + 1 < block.elements) pair |= Nibble<kFeedback>(block, scale, reciprocal, i + 1) << 4;
    values[i / 2] = static_cast<std::byte>(pair);
  }
}

inline int32_t NibbleAt(const std::byte* values, size_t i) {
  const auto pair = std::to_integer<uint32_t>(values[i / 2]);
  return static_cast<int32_t>((i % 2 == 0 ? pair : pair >> 4) << 28) >> 28;
}

// False if a value is -8 or what follows an odd count is not zero: no encoder writes that.
inline bool AddInt4(const std::byte* values, size_t from, size_t elements, float block_scale,
                    float scale, float* accumulator) {
  int32_t least = 0;
  for (size_t i = from; i < elements; ++i) {
    const int32_t q = NibbleAt(values, i);
    least = std::min(least, q);
    accumulator[i] += scale * (static_cast<float>(q) * block_scale);
  }
  const bool clean = elements % 2 == 0 || NibbleAt(values, elements) == 0;
  return clean && least >= -kInt4Levels;
}

struct Int4Encoding : AbsmaxScale<kInt4Levels> {
  std::byte* values;

  template <bool kFeedback>
  void Write(const Pushed& block, size_t first, float scale) const {
    WriteInt4<kFeedback>(block, scale, 0, values + first / 2);
  }
};

struct Int4Adding {
  const std::byte* values;
  float scale;
  float* accumulator;

  bool Add(size_t first, size_t elements, uint32_t scale_bits) const {
    return IsScale<kInt4Levels>(scale_bits) &&
           AddInt4(values + first / 2, 0, elements, FloatOf(scale_bits), scale,
                   accumulator + first);
  }
};

inline uint32_t EncodeInt4(const Pushed& pushed, int block_log2, std::byte* scales,
                           std::byte* values) {
  return EncodeBlocks(Int4Encoding{{}, values}, pushed, block_log2, scales);
}

inline bool DecodeAddInt4(const std::byte* scales, const std::byte* values, int block_log2,
                          size_t elements, float scale, float* accumulator) {
  return AddBlocks(Int4Adding{values, scale, accumulator}, scales, block_log2, elements);
}

}  // namespace scalar
}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_INT4_SCALAR_H_
