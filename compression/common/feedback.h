// Error feedback, as codec.h defines it: what is encoded is e = delta + decay * residual, each
// operation rounded to fp32. Kernels take the template parameter so that the case without a
// residual reads one array only.

#ifndef TIDEWAY_COMPRESSION_COMMON_FEEDBACK_H_
#define TIDEWAY_COMPRESSION_COMMON_FEEDBACK_H_

#include <cstddef>
#include <cstdint>

namespace tideway::compression {

// What one Encode works on. `residual` may be null: no error feedback.
struct Pushed {
  const float* delta;
  float* residual;
  float decay;
  size_t elements;
};

template <bool kFeedback>
inline float ElementOf(const float* delta, const float* residual, float decay, size_t i) {
  if constexpr (kFeedback) {
    return delta[i] + decay * residual[i];
  } else {
    return delta[i];
  }
}

template <bool kFeedback>
inline float ElementOf(const Pushed& pushed, size_t i) {
  return ElementOf<kFeedback>(pushed.delta, pushed.residual, pushed.decay, i);
}

inline Pushed PartOf(const Pushed& pushed, size_t first, size_t elements) {
  return {pushed.delta + first, pushed.residual == nullptr ? nullptr : pushed.residual + first,
          pushed.decay, elements};
}

// The largest MagnitudeBits of e: at least kInfinityBits if any element is an infinity or a NaN.
uint32_t MagnitudeBitsMax(const Pushed& pushed);

// residual = e, in place. REQUIRES: a residual.
void AddFeedback(const Pushed& pushed);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_COMMON_FEEDBACK_H_
