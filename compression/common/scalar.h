// The scalar reference of what kernels share: plain loops that say what the vector loops must
// compute, bit for bit. Each codec's own reference stands in its scalar.h. They start `from` an
// element, so that the same code does what remains behind the last whole vector.

#ifndef TIDEWAY_COMPRESSION_COMMON_SCALAR_H_
#define TIDEWAY_COMPRESSION_COMMON_SCALAR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "compression/common/block_scale.h"
#include "compression/common/feedback.h"
#include "compression/common/float_bits.h"

namespace tideway::compression::scalar {

template <bool kFeedback>
inline uint32_t MagnitudeMax(const Pushed& pushed, size_t from) {
  uint32_t largest = 0;
  for (size_t i = from; i < pushed.elements; ++i) {
    largest = std::max(largest, MagnitudeBits(ElementOf<kFeedback>(pushed, i)));
  }
  return largest;
}

inline void AddFeedback(const Pushed& pushed, size_t from) {
  for (size_t i = from; i < pushed.elements; ++i) {
    pushed.residual[i] = ElementOf<true>(pushed, i);
  }
}

// What the Formats (blocks.h) of absmax scales have in common.
template <int kLevels>
struct AbsmaxScale {
  template <bool kFeedback>
  uint32_t Largest(const Pushed& block) const {
    return MagnitudeMax<kFeedback>(block, 0);
  }
  template <bool kFeedback>
  float Scale(const Pushed& /*block*/, uint32_t largest) const {
    return ScaleFor<kLevels>(largest);
  }
};

}  // namespace tideway::compression::scalar

#endif  // TIDEWAY_COMPRESSION_COMMON_SCALAR_H_
