#include "compression/int8/kernel.h"

#include <algorithm>

#include "compression/common/block_scale.h"
#include "compression/common/float_bits.h"

namespace tideway::compression {
namespace {

Pushed Part(const Pushed& pushed, size_t first, size_t elements) {
  return {pushed.delta + first, pushed.residual == nullptr ? nullptr : pushed.residual + first,
          pushed.decay, elements};
}

template <bool kFeedback>
void QuantizeBlock(const Pushed& pushed, float scale, std::byte* values_bytes) {
  const float* __restrict delta = pushed.delta;
  float* __restrict residual = pushed.residual;
  auto* __restrict values = reinterpret_cast<int8_t*>(values_bytes);
  // Copies, since a store to `values` might alias the struct as far as the compiler knows.
  const float decay = pushed.decay;
  const size_t elements = pushed.elements;
  const float reciprocal = ReciprocalOf(scale);
  for (size_t i = 0; i < elements; ++i) {
    const float e = ElementOf<kFeedback>(delta, residual, decay, i);
    const int32_t q = Quantize(e, reciprocal);
    values[i] = static_cast<int8_t>(q);
    if constexpr (kFeedback) residual[i] = e - static_cast<float>(q) * scale;
  }
}

bool AddBlock(const std::byte* values_bytes, size_t elements, float block_scale, float scale,
              float* accumulator_floats) {
  const auto* __restrict values = reinterpret_cast<const int8_t*>(values_bytes);
  float* __restrict accumulator = accumulator_floats;
  int32_t least = 0;
  for (size_t i = 0; i < elements; ++i) {
    const int32_t q = values[i];
    least = std::min(least, q);
    accumulator[i] += scale * (static_cast<float>(q) * block_scale);
  }
  return least >= -127;
}

}  // namespace

uint32_t WriteScales(const Pushed& pushed, int block_log2, std::byte* scales) {
  const size_t block = size_t{1} << block_log2;
  uint32_t largest = 0;
  for (size_t first = 0; first < pushed.elements; first += block) {
    const uint32_t block_max =
        MagnitudeBitsMax(Part(pushed, first, std::min(block, pushed.elements - first)));
    largest = std::max(largest, block_max);
    StoreLittleEndian(BitsOf(ScaleFor(block_max)), scales + 4 * (first >> block_log2));
  }
  return largest;
}

void EncodeInt8(const Pushed& pushed, int block_log2, const std::byte* scales, std::byte* values) {
  const size_t block = size_t{1} << block_log2;
  for (size_t first = 0; first < pushed.elements; first += block) {
    const Pushed part = Part(pushed, first, std::min(block, pushed.elements - first));
    const float scale = FloatOf(LoadLittleEndian<uint32_t>(scales + 4 * (first >> block_log2)));
    if (part.residual == nullptr) {
      QuantizeBlock<false>(part, scale, values + first);
    } else {
      QuantizeBlock<true>(part, scale, values + first);
    }
  }
}

bool DecodeAddInt8(const std::byte* scales, const std::byte* values, int block_log2,
                   size_t elements, float scale, float* accumulator) {
  const size_t block = size_t{1} << block_log2;
  for (size_t first = 0; first < elements; first += block) {
    const auto bits = LoadLittleEndian<uint32_t>(scales + 4 * (first >> block_log2));
    if (!IsScale(bits)) return false;
    if (!AddBlock(values + first, std::min(block, elements - first), FloatOf(bits), scale,
                  accumulator + first)) {
      return false;
    }
  }
  return true;
}

}  // namespace tideway::compression
