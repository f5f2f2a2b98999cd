// Values of 2 bits: a sign and one of two magnitudes that their block has. Magnitudes of 8
// significant bits, chosen such that value - decoded is exact in fp32: no magnitude is more than
// twice a value that it stands for, nor less than 2^-15 of one, unless it is zero. (More than twice
// would ask for bits below those of the value, much less for bits below its own.)

#ifndef TIDEWAY_COMPRESSION_COMMON_TWO_LEVELS_H_
#define TIDEWAY_COMPRESSION_COMMON_TWO_LEVELS_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/float_bits.h"

namespace tideway::compression {

// Two magnitudes as bf16, low <= high.
struct TwoLevels {
  uint16_t low;
  uint16_t high;
};

// The mean of the values in the lower and in the upper half between the least and the largest
// magnitude. REQUIRES: count >= 1, finite values.
TwoLevels LevelsFor(const float* values, size_t count);

// True for what LevelsFor can make. With any of them a decoded value is finite.
bool AreLevels(const TwoLevels& levels);

// From this magnitude on a value is sent as the higher level.
inline float Between(const TwoLevels& levels) {
  return 0.5f * FromBf16(levels.low) + 0.5f * FromBf16(levels.high);
}

// Bit 0: the level; bit 1: the sign.
inline uint32_t CodeOf(float value, float between) {
  const uint32_t high = FloatOf(MagnitudeBits(value)) >= between ? 1u : 0u;
  return high | BitsOf(value) >> 31 << 1;
}

inline float FromCode(const TwoLevels& levels, uint32_t code) {
  const uint32_t half = (code & 1u) != 0 ? levels.high : levels.low;
  return FloatOf(half << 16 | code >> 1 << 31);
}

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_COMMON_TWO_LEVELS_H_
