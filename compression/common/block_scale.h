// The arithmetic of int8 values with one scale per block, used by int8 and by topk.
// compression/int8/spec.md says why the scale has 17 significant bits: q * scale is then exact in
// fp32 for every |q| <= 127, and so is the residual e - q * scale.

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
// The least and the largest scale that ScaleFor can make: of 2^-100 and of FLT_MAX.
inline constexpr uint32_t kScaleBitsMin = 0x0a010200;
inline constexpr uint32_t kScaleBitsMax = 0x7c010200;

// absmax / 127, cut (not rounded) to 17 significant bits, so that 127 * scale <= absmax never
// overflows.
inline float ScaleFor(uint32_t magnitude_bits_max) {
  if (magnitude_bits_max < kFlushBelowBits) return 0.0f;
  return FloatOf(BitsOf(FloatOf(magnitude_bits_max) / 127.0f) & ~kScaleUnusedBits);
}

inline float ReciprocalOf(float scale) { return scale == 0.0f ? 0.0f : 1.0f / scale; }

// True for the scales that ScaleFor makes: zero, or in range with the unused bits clear. With any
// of them q * scale is finite.
inline bool IsScale(uint32_t bits) {
  return bits == 0 ||
         (bits >= kScaleBitsMin && bits <= kScaleBitsMax && (bits & kScaleUnusedBits) == 0);
}

// value * reciprocal to the nearest integer, ties to even, by adding 1.5 * 2^23: below that sum's
// last bit there is no fraction left. In -127..127, since |value| <= absmax.
inline int32_t Quantize(float value, float reciprocal) {
  const float shifted = value * reciprocal + 12582912.0f;
  return static_cast<int32_t>(BitsOf(shifted)) - 0x4b400000;
}

inline size_t BlockCount(size_t elements, int block_log2) {
  return (elements + (size_t{1} << block_log2) - 1) >> block_log2;
}

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_COMMON_BLOCK_SCALE_H_
