#include "compression/common/feedback.h"

#include <algorithm>

#include "compression/common/float_bits.h"

namespace tideway::compression {
namespace {

template <bool kFeedback>
uint32_t MagnitudeBitsMaxOf(const float* delta, const float* residual, float decay,
                            size_t elements) {
  uint32_t largest = 0;
  for (size_t i = 0; i < elements; ++i) {
    largest = std::max(largest, MagnitudeBits(ElementOf<kFeedback>(delta, residual, decay, i)));
  }
  return largest;
}

}  // namespace

uint32_t MagnitudeBitsMax(const Pushed& pushed) {
  return pushed.residual == nullptr
             ? MagnitudeBitsMaxOf<false>(pushed.delta, nullptr, 0.0f, pushed.elements)
             : MagnitudeBitsMaxOf<true>(pushed.delta, pushed.residual, pushed.decay,
                                        pushed.elements);
}

void AddFeedback(const Pushed& pushed) {
  const float* __restrict delta = pushed.delta;
  float* __restrict residual = pushed.residual;
  const float decay = pushed.decay;
  const size_t elements = pushed.elements;
  for (size_t i = 0; i < elements; ++i) {
    residual[i] = ElementOf<true>(delta, residual, decay, i);
  }
}

}  // namespace tideway::compression
