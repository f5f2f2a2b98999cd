#include "compression/bf16/kernel.h"

#include <algorithm>

#include "compression/common/float_bits.h"

namespace tideway::compression {

void EncodeBf16(const Pushed& pushed, std::byte* out_bytes) {
  const float* __restrict delta = pushed.delta;
  float* __restrict residual = pushed.residual;
  std::byte* __restrict out = out_bytes;
  // Copies, since a store to `out` might alias the struct as far as the compiler knows.
  const size_t elements = pushed.elements;
  const float decay = pushed.decay;
  if (residual == nullptr) {
    for (size_t i = 0; i < elements; ++i) {
      StoreLittleEndian(RoundToBf16(delta[i]), out + 2 * i);
    }
    return;
  }
  for (size_t i = 0; i < elements; ++i) {
    const float e = ElementOf<true>(delta, residual, decay, i);
    const uint16_t half = RoundToBf16(e);
    StoreLittleEndian(half, out + 2 * i);
    residual[i] = e - FromBf16(half);
  }
}

uint32_t DecodeAddBf16(const std::byte* in_bytes, size_t elements, float scale,
                       float* accumulator_floats) {
  const std::byte* __restrict in = in_bytes;
  float* __restrict accumulator = accumulator_floats;
  uint32_t largest = 0;
  for (size_t i = 0; i < elements; ++i) {
    const uint16_t half = LoadLittleEndian<uint16_t>(in + 2 * i);
    largest = std::max(largest, uint32_t{half} & 0x7fffu);
    accumulator[i] += scale * FromBf16(half);
  }
  return largest;
}

}  // namespace tideway::compression
