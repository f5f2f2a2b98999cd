// The scalar reference of the bf16 kernels: see compression/common/scalar.h.

#ifndef TIDEWAY_COMPRESSION_BF16_SCALAR_H_
#define TIDEWAY_COMPRESSION_BF16_SCALAR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"
#include "compression/common/float_bits.h"

namespace tideway::compression::scalar {

// Returns the largest MagnitudeBits.
template <bool kFeedback>
inline uint32_t EncodeBf16(const Pushed& pushed, size_t from, std::byte* out) {
  uint32_t largest = 0;
  for (size_t i = from; i < pushed.elements; ++i) {
    const float e = ElementOf<kFeedback>(pushed, i);
    const uint16_t half = RoundToBf16(e);
    largest = std::max(largest, MagnitudeBits(e));
    StoreLittleEndian(half, out + 2 * i);
    if constexpr (kFeedback) pushed.residual[i] = e - FromBf16(half);
  }
  return largest;
}

inline uint32_t DecodeAddBf16(const std::byte* in, size_t from, size_t elements, float scale,
                              float* accumulator) {
  uint32_t largest = 0;
  for (size_t i = from; i < elements; ++i) {
    const float value = FromBf16(LoadLittleEndian<uint16_t>(in + 2 * i));
    largest = std::max(largest, MagnitudeBits(value));
    accumulator[i] += scale * value;
  }
  return largest;
}

}  // namespace tideway::compression::scalar

#endif  // TIDEWAY_COMPRESSION_BF16_SCALAR_H_
