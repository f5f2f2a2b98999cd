// The arithmetic of whole numbers with one scale per block, used by int8, int4 and topk. The largest
// number, kLevels, is 127 or 7. compression/int8/spec.md says why the scale has 17 significant bits:
// q * scale is then exact in fp32 for every |q| <= 127, and so is the residual e - q * scale.

#ifndef TIDEWAY_COMPRESSION_COMMON_BLOCK_SCALE_H_
#define TIDEWAY_COMPRESSION_COMMON_BLOCK_SCALE_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/float_bits.h"

namespace tideway::compression {

inline constexpr int kBlockLog2Min = 4;   // 16 elements
inline constexpr int kBlockLog2Max = 16;  // 65,536 elements
inline constexpr int64_t kBlockDefault = 256;

// Blocks whose largest magnitude is below 2^-100 are sent as zeros (their content goes to the
// residual), which keeps scales and their reciprocals far from the denormals.
inline constexpr uint32_t kFlushBelowBits = uint32_t{127 - 100} << 23;
inline constexpr uint32_t kScaleUnusedBits = 0x7f;
inline constexpr float kRoundingShift = 12582912.0f;  // 1.5 * 2^23

// absmax / kLevels, cut (not rounded) to 17 significant bits, so that kLevels * scale <= absmax never
// overflows.
template <int kLevels = 127>
constexpr float ScaleFor(uint32_t magnitude_bits_max) {
  if (magnitude_bits_max < kFlushBelowBits) return 0.0f;
  return FloatOf(BitsOf(FloatOf(magnitude_bits_max) / float{kLevels}) & ~kScaleUnusedBits);
}

inline float ReciprocalOf(float scale) { return scale == 0.0f ? 0.0f : 1.0f / scale; }

// True for the scales that ScaleFor makes: zero, or in range with the unused bits clear. With any
// of them q * scale is finite.
template <int kLevels = 127>
constexpr bool IsScale(uint32_t bits) {
  constexpr uint32_t kLeast = BitsOf(ScaleFor<kLevels>(kFlushBelowBits));
  constexpr uint32_t kLargest = BitsOf(ScaleFor<kLevels>(kInfinityBits - 1));
  return bits == 0 || (bits >= kLeast && bits <= kLargest && (bits & kScaleUnusedBits) == 0);
}

// value * reciprocal to the nearest integer, ties to even, by adding 1.5 * 2^23: below that sum's
// last bit there is no fraction left. In -kLevels..kLevels, since |value| <= absmax.
inline int32_t Quantize(float value, float reciprocal) {
  const float shifted = value * reciprocal + kRoundingShift;
  return static_cast<int32_t>(BitsOf(shifted)) - static_cast<int32_t>(BitsOf(kRoundingShift));
}

inline size_t BlockCount(size_t elements, int block_log2) {
  return (elements + (size_t{1} << block_log2) - 1) >> block_log2;
}

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_COMMON_BLOCK_SCALE_H_
