#include "compression/common/two_levels.h"

#include <algorithm>

#include "compression/common/block_scale.h"

namespace tideway::compression {
namespace {

constexpr uint16_t kHighMin = (127 - 101) << 7;  // 2^-101: half of what is not yet flushed
constexpr uint16_t kHighMax = 0x7f7f;            // the largest finite bf16
constexpr float kLowOfHighMin = 0x1p-14f;

uint16_t CutToBf16(float magnitude) { return static_cast<uint16_t>(BitsOf(magnitude) >> 16); }

// The sum over what lies in one half, in the order of the values: the same on every machine.
struct Half {
  double sum = 0;
  size_t count = 0;

  void Add(float magnitude) {
    sum += static_cast<double>(magnitude);
    ++count;
  }
  float Mean() const {
    return count == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(count));
  }
};

}  // namespace

TwoLevels LevelsFor(const float* values, size_t count) {
  uint32_t least = kInfinityBits;
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    least = std::min(least, MagnitudeBits(values[i]));
    largest = std::max(largest, MagnitudeBits(values[i]));
  }
  if (largest < kFlushBelowBits) return {0, 0};
  const float middle = 0.5f * FloatOf(least) + 0.5f * FloatOf(largest);
  Half lower, upper;
  for (size_t i = 0; i < count; ++i) {
    const float magnitude = FloatOf(MagnitudeBits(values[i]));
    (magnitude < middle ? lower : upper).Add(magnitude);
  }
  const uint16_t high = CutToBf16(upper.Mean());
  // Doubling may give infinity, which the mean is below.
  const uint16_t low = CutToBf16(std::min(lower.Mean(), 2.0f * FloatOf(least)));
  const bool exact = FromBf16(low) >= kLowOfHighMin * FromBf16(high);
  return {exact ? low : uint16_t{0}, high};
}

bool AreLevels(const TwoLevels& levels) {
  if (levels.high == 0) return levels.low == 0;
  if (levels.high < kHighMin || levels.high > kHighMax || levels.low > levels.high) return false;
  return levels.low == 0 || FromBf16(levels.low) >= kLowOfHighMin * FromBf16(levels.high);
}

}  // namespace tideway::compression
