// The scalar reference of the fp16 kernels (see compression/common/scalar.h), and the rule for the
// shift.

#ifndef TIDEWAY_COMPRESSION_FP16_SCALAR_H_
#define TIDEWAY_COMPRESSION_FP16_SCALAR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"
#include "compression/common/float_bits.h"

namespace tideway::compression {

inline constexpr uint32_t kHalfMax = 0x7bff;  // 65504
inline constexpr uint32_t kHalfInfinity = 0x7c00;
inline constexpr int kShiftMax = 112;
// 2^-14, below which halves are denormal.
inline constexpr uint32_t kHalfNormalBits = uint32_t{127 - 14} << 23;
// Between the exponents of fp32 and of halves.
inline constexpr uint32_t kRebias = uint32_t{127 - 15} << 23;

constexpr float PowerOfTwo(int exponent) {
  return FloatOf(static_cast<uint32_t>(127 + exponent) << 23);
}

// The least power of two that brings a magnitude below 2^16. The magnitude is finite.
inline int ShiftFor(uint32_t magnitude_bits_max) {
  return std::max(0, static_cast<int>(magnitude_bits_max >> 23) - (127 + 15));
}

namespace scalar {

// To nearest, ties to even; from 65520 on to 65504. A magnitude below 2^16.
inline uint16_t RoundToHalf(float value) {
  const uint32_t bits = BitsOf(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - kRebias) >> 13;
  // The last bit of 0.5 + x is the last bit of a denormal half.
  const uint32_t denormal = BitsOf(FloatOf(magnitude) + 0.5f) - BitsOf(0.5f);
  const uint32_t rounded = magnitude < kHalfNormalBits ? denormal : std::min(normal, kHalfMax);
  return static_cast<uint16_t>(rounded | ((bits >> 16) & 0x8000u));
}

inline float FromHalf(uint32_t half) {
  const uint32_t magnitude = (half & 0x7fffu) << 13;
  const float value = (half & 0x7c00u) == 0
                          ? FloatOf(magnitude + kHalfNormalBits) - FloatOf(kHalfNormalBits)
                          : FloatOf(magnitude + kRebias);
  return FloatOf(BitsOf(value) | (half & 0x8000u) << 16);
}

// Returns the largest MagnitudeBits.
template <bool kFeedback>
inline uint32_t EncodeFp16(const Pushed& pushed, int shift, size_t from, std::byte* out) {
  const float down = PowerOfTwo(-shift), up = PowerOfTwo(shift);
  uint32_t largest = 0;
  for (size_t i = from; i < pushed.elements; ++i) {
    const float e = ElementOf<kFeedback>(pushed, i);
    const uint16_t half = RoundToHalf(e * down);
    largest = std::max(largest, MagnitudeBits(e));
    StoreLittleEndian(half, out + 2 * i);
    if constexpr (kFeedback) pushed.residual[i] = e - FromHalf(half) * up;
  }
  return largest;
}

// Returns the largest half, without its sign.
inline uint32_t DecodeAddFp16(const std::byte* in, int shift, size_t from, size_t elements,
                              float scale, float* accumulator) {
  const float up = PowerOfTwo(shift);
  uint32_t largest = 0;
  for (size_t i = from; i < elements; ++i) {
    const uint32_t half = LoadLittleEndian<uint16_t>(in + 2 * i);
    largest = std::max(largest, half & 0x7fffu);
    accumulator[i] += scale * (FromHalf(half) * up);
  }
  return largest;
}

}  // namespace scalar
}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_FP16_SCALAR_H_
