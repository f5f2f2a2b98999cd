#include "compression/int8/kernel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compression/int8/kernel.cc"
#include "hwy/foreach_target.h"
// Before what it compiles for each target.
#include "hwy/highway.h"

#include "compression/common/simd.inc"
#include "compression/int8/scalar.h"

HWY_BEFORE_NAMESPACE();
namespace tideway::compression::HWY_NAMESPACE {
namespace {

using Quantized = hn::Rebind<int8_t, Floats>;

template <bool kFeedback, class D>
HWY_INLINE void WriteInVectors(D d, const Pushed& block, float block_scale, std::byte* values) {
  const Pushed part = block;  // a copy, which no store can change
  auto* const out = reinterpret_cast<uint8_t*>(values);
  const auto decay = hn::Set(d, part.decay);
  const auto scale = hn::Set(d, block_scale);
  const auto reciprocal = hn::Set(d, ReciprocalOf(block_scale));
  const auto shift = hn::Set(d, kRoundingShift);
  ForEachVector(part.elements, [&](size_t i) HWY_ATTR {
    const Bytes bytes;
    const auto e = ElementsAt<kFeedback>(part, decay, i);
    const auto shifted = hn::Add(hn::Mul(e, reciprocal), shift);
    // The lowest byte of the sum is the number itself.
    hn::StoreU(hn::TruncateTo(bytes, hn::BitCast(Words(), shifted)), bytes, out + i);
    if constexpr (kFeedback) {
      const auto q = hn::Sub(shifted, shift);
      hn::StoreU(hn::Sub(e, hn::Mul(q, scale)), d, part.residual + i);
    }
  });
}

struct Encoding : AbsmaxScale<127> {
  std::byte* values;

  template <bool kFeedback>
  void Write(const Pushed& block, size_t first, float scale) const {
    size_t done = 0;
    if constexpr (kHasVectors) {
      WriteInVectors<kFeedback>(Floats(), block, scale, values + first);
      done = InVectors(block.elements);
    }
    scalar::WriteInt8<kFeedback>(block, scale, done, values + first);
  }
};

// The least value.
template <class D>
HWY_INLINE int32_t AddInVectors(D d, const std::byte* values, size_t elements,
                                float block_scale_value, float scale_value, float* accumulator) {
  const Quantized quantized;
  const Ints ints;
  const auto* const in = reinterpret_cast<const int8_t*>(values);
  const auto block_scale = hn::Set(d, block_scale_value);
  const auto scale = hn::Set(d, scale_value);
  auto least = hn::Zero(ints);
  ForEachVector(elements, [&](size_t i) HWY_ATTR {
    const auto q = hn::PromoteTo(ints, hn::LoadU(quantized, in + i));
    least = hn::Min(least, q);
    const auto decoded = hn::Mul(hn::ConvertTo(d, q), block_scale);
    const auto sum = hn::Add(hn::LoadU(d, accumulator + i), hn::Mul(scale, decoded));
    hn::StoreU(sum, d, accumulator + i);
  });
  return hn::GetLane(hn::MinOfLanes(ints, least));
}

struct Adding {
  const std::byte* values;
  float scale;
  float* accumulator;

  bool Add(size_t first, size_t elements, uint32_t scale_bits) const {
    if (!IsScale(scale_bits)) return false;
    const float block_scale = FloatOf(scale_bits);
    size_t done = 0;
    if constexpr (kHasVectors) {
      if (AddInVectors(Floats(), values + first, elements, block_scale, scale,
                       accumulator + first) < -127) {
        return false;
      }
      done = InVectors(elements);
    }
    return scalar::AddInt8(values + first, done, elements, block_scale, scale, accumulator + first);
  }
};

uint32_t Encode(const Pushed& pushed, int block_log2, std::byte* scales, std::byte* values) {
  return EncodeBlocks(Encoding{{}, values}, pushed, block_log2, scales);
}

bool DecodeAdd(const std::byte* scales, const std::byte* values, int block_log2, size_t elements,
               float scale, float* accumulator) {
  return AddBlocks(Adding{values, scale, accumulator}, scales, block_log2, elements);
}

}  // namespace
}  // namespace tideway::compression::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tideway::compression {

HWY_EXPORT(Encode);
HWY_EXPORT(DecodeAdd);

uint32_t EncodeInt8(const Pushed& pushed, int block_log2, std::byte* scales, std::byte* values) {
  return HWY_DYNAMIC_DISPATCH(Encode)(pushed, block_log2, scales, values);
}

bool DecodeAddInt8(const std::byte* scales, const std::byte* values, int block_log2,
                   size_t elements, float scale, float* accumulator) {
  return HWY_DYNAMIC_DISPATCH(DecodeAdd)(scales, values, block_log2, elements, scale, accumulator);
}

}  // namespace tideway::compression
#endif
