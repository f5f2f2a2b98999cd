#include "compression/topk/select.h"

#include <algorithm>

#include "compression/common/float_bits.h"

namespace tideway::compression {
namespace {

// A digit of the 31-bit magnitude, most significant first: 11 + 10 + 10 bits.
struct Digit {
  int shift;
  int bits;
};
constexpr Digit kDigits[] = {{20, 11}, {10, 10}, {0, 10}};
constexpr size_t kBucketsMax = size_t{1} << 11;

// Counts the digit's values among the elements whose more significant bits are `prefix`.
void Count(const float* values, size_t elements, Digit digit, uint32_t prefix, uint32_t* buckets) {
  const uint32_t mask = (uint32_t{1} << digit.bits) - 1;
  const int above = digit.shift + digit.bits;
  std::fill_n(buckets, size_t{mask} + 1, 0u);
  for (size_t i = 0; i < elements; ++i) {
    const uint32_t magnitude = MagnitudeBits(values[i]);
    if ((uint64_t{magnitude} >> above) == prefix) ++buckets[(magnitude >> digit.shift) & mask];
  }
}

}  // namespace

Cut FindCut(const float* values, size_t elements, size_t k) {
  uint32_t buckets[kBucketsMax];
  uint32_t prefix = 0;
  size_t wanted = k;  // how many of the elements that share the prefix are selected
  for (const Digit digit : kDigits) {
    Count(values, elements, digit, prefix, buckets);
    uint32_t bucket = (uint32_t{1} << digit.bits) - 1;
    while (buckets[bucket] < wanted) wanted -= buckets[bucket--];
    prefix = prefix << digit.bits | bucket;
  }
  return {prefix, wanted};
}

void GatherIndices(const float* values, size_t elements, const Cut& cut, uint32_t* indices) {
  size_t ties = cut.ties;
  for (size_t i = 0; i < elements; ++i) {
    const uint32_t magnitude = MagnitudeBits(values[i]);
    if (magnitude < cut.magnitude_bits) continue;
    if (magnitude == cut.magnitude_bits) {
      if (ties == 0) continue;
      --ties;
    }
    *indices++ = static_cast<uint32_t>(i);
  }
}

}  // namespace tideway::compression
