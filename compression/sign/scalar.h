// The scalar reference of the sign kernels (see compression/common/scalar.h), and the arithmetic of
// the scale.

#ifndef TIDEWAY_COMPRESSION_SIGN_SCALAR_H_
#define TIDEWAY_COMPRESSION_SIGN_SCALAR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "compression/common/block_scale.h"
#include "compression/common/blocks.h"
#include "compression/common/scalar.h"

namespace tideway::compression {

// 2^23: below that sum's last bit there is no fraction left.
inline constexpr float kWholeShift = 8388608.0f;

// The power of two that brings the largest magnitude of a block into 2^14..2^15. REQUIRES: at least
// kFlushBelowBits.
inline float UnitsPer(uint32_t magnitude_bits_max) {
  return FloatOf((uint32_t{127 + 14 + 127} << 23) - (magnitude_bits_max & kInfinityBits));
}

// The mean magnitude, of a sum in those units: a sum of whole numbers, so that its order does not
// matter.
inline float MeanOf(uint32_t sum, size_t elements, uint32_t magnitude_bits_max) {
  const double units = static_cast<double>(UnitsPer(magnitude_bits_max));
  const double mean = static_cast<double>(sum) / static_cast<double>(elements) / units;
  return std::min(static_cast<float>(mean), FloatOf(magnitude_bits_max));
}

namespace scalar {

template <bool kFeedback>
inline uint32_t SumMagnitudes(const Pushed& block, float units_per, size_t from) {
  uint32_t sum = 0;
  for (size_t i = from; i < block.elements; ++i) {
    const float magnitude = FloatOf(MagnitudeBits(ElementOf<kFeedback>(block, i)));
    sum += BitsOf(magnitude * units_per + kWholeShift) - BitsOf(kWholeShift);
  }
  return sum;
}

// `from` is a multiple of 8. The bits behind the last element are zero.
template <bool kFeedback>
inline void WriteSigns(const Pushed& block, float scale, size_t from, std::byte* values) {
  for (size_t i = from; i < block.elements; i += 8) {
    uint32_t bits = 0;
    for (size_t j = i; j < std::min(i + 8, block.elements); ++j) {
      const float e = ElementOf<kFeedback>(block, j);
      const bool negative = e < 0.0f;
      if (negative) bits |= 1u << (j - i);
      if constexpr (kFeedback) block.residual[j] = e - (negative ? -scale : scale);
    }
    values[i / 8] = static_cast<std::byte>(bits);
  }
}

// False if a bit behind the last element is set.
inline bool AddSigns(const std::byte* values, size_t from, size_t elements, float step,
                     float* accumulator) {
  for (size_t i = from; i < elements; ++i) {
    const bool negative = (std::to_integer<uint32_t>(values[i / 8]) >> i % 8 & 1u) != 0;
    accumulator[i] += negative ? -step : step;
  }
  return elements % 8 == 0 || std::to_integer<uint32_t>(values[elements / 8]) >> elements % 8 == 0;
}

struct SignEncoding {
  std::byte* values;

  template <bool kFeedback>
  uint32_t Largest(const Pushed& block) const {
    return MagnitudeMax<kFeedback>(block, 0);
  }
  template <bool kFeedback>
  float Scale(const Pushed& block, uint32_t largest) const {
    if (largest < kFlushBelowBits || largest >= kInfinityBits) return 0.0f;
    const uint32_t sum = SumMagnitudes<kFeedback>(block, UnitsPer(largest), 0);
    return MeanOf(sum, block.elements, largest);
  }
  template <bool kFeedback>
  void Write(const Pushed& block, size_t first, float scale) const {
    WriteSigns<kFeedback>(block, scale, 0, values + first / 8);
  }
};

struct SignAdding {
  const std::byte* values;
  float scale;
  float* accumulator;

  bool Add(size_t first, size_t elements, uint32_t scale_bits) const {
    return scale_bits < kInfinityBits && AddSigns(values + first / 8, 0, elements,
                                                  scale * FloatOf(scale_bits), accumulator + first);
  }
};

inline uint32_t EncodeSign(const Pushed& pushed, int block_log2, std::byte* scales,
                           std::byte* values) {
  return EncodeBlocks(SignEncoding{values}, pushed, block_log2, scales);
}

inline bool DecodeAddSign(const std::byte* scales, const std::byte* values, int block_log2,
                          size_t elements, float scale, float* accumulator) {
  return AddBlocks(SignAdding{values, scale, accumulator}, scales, block_log2, elements);
}

}  // namespace scalar
}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_SIGN_SCALAR_H_
