#include "compression/identity/kernel.h"

#include <algorithm>

#include "compression/common/float_bits.h"

namespace tideway::compression {

void EncodeIdentity(const Pushed& pushed, std::byte* out_bytes) {
  const float* __restrict delta = pushed.delta;
  float* __restrict residual = pushed.residual;
  std::byte* __restrict out = out_bytes;
  // Copies, since a store to `out` might alias the struct as far as the compiler knows.
  const size_t elements = pushed.elements;
  const float decay = pushed.decay;
  if (residual == nullptr) {
    for (size_t i = 0; i < elements; ++i) StoreLittleEndian(BitsOf(delta[i]), out + 4 * i);
    return;
  }
  for (size_t i = 0; i < elements; ++i) {
    StoreLittleEndian(BitsOf(ElementOf<true>(delta, residual, decay, i)), out + 4 * i);
    residual[i] = 0.0f;
  }
}

uint32_t DecodeAddIdentity(const std::byte* in_bytes, size_t elements, float scale,
                           float* accumulator_floats) {
  const std::byte* __restrict in = in_bytes;
  float* __restrict accumulator = accumulator_floats;
  uint32_t largest = 0;
  for (size_t i = 0; i < elements; ++i) {
    const float value = FloatOf(LoadLittleEndian<uint32_t>(in + 4 * i));
    largest = std::max(largest, MagnitudeBits(value));
    accumulator[i] += scale * value;
  }
  return largest;
}

}  // namespace tideway::compression
