#include "compression/int4/kernel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compression/int4/kernel.cc"
#include "hwy/foreach_target.h"
// Before what it compiles for each target.
#include "hwy/highway.h"

#include "compression/common/simd.inc"
#include "compression/int4/scalar.h"

HWY_BEFORE_NAMESPACE();
namespace tideway::compression::HWY_NAMESPACE {
namespace {

// Templates, since the fallback target has no such vectors and never asks for them.

// One number in each byte, to two in each.
template <class V>
HWY_INLINE auto Pack(V values) {
  const hn::Repartition<uint16_t, hn::DFromV<V>> pairs;
  const hn::Rebind<uint8_t, decltype(pairs)> packed;
  const auto both = hn::BitCast(pairs, values);
  const auto low = hn::And(both, hn::Set(pairs, 0x0f));
  const auto high = hn::And(hn::ShiftRight<4>(both), hn::Set(pairs, 0xf0));
  return hn::TruncateTo(packed, hn::Or(low, high));
}

// As many numbers as d has lanes, from half as many bytes.
template <class D>
HWY_INLINE auto LoadPacked(D /*d*/, const uint8_t* in) {
  const hn::RebindToSigned<D> ints;
  const hn::Rebind<int8_t, D> bytes;
  const hn::Repartition<uint16_t, decltype(bytes)> pairs;
  const hn::Rebind<uint8_t, decltype(pairs)> packed;
  const auto wide = hn::PromoteTo(pairs, hn::LoadU(packed, in));
  const auto both = hn::BitCast(bytes, hn::Or(wide, hn::ShiftLeft<4>(wide)));
  // Each lower half counts; the shifts bring its sign along.
  return hn::ShiftRight<28>(hn::ShiftLeft<28>(hn::PromoteTo(ints, both)));
}

template <bool kFeedback, class D>
HWY_INLINE void WriteInVectors(D d, const Pushed& block, float block_scale, std::byte* values) {
  const Pushed part = block;  // a copy, which no store can change
  auto* const out = reinterpret_cast<uint8_t*>(values);
  const auto decay = hn::Set(d, part.decay);
  const auto scale = hn::Set(d, block_scale);
  const auto reciprocal = hn::Set(d, ReciprocalOf(block_scale));
  const auto shift = hn::Set(d, kRoundingShift);
  ForEachVector(InGroups(part.elements), [&](size_t i) HWY_ATTR {
    const auto e = ElementsAt<kFeedback>(part, decay, i);
    const auto shifted = hn::Add(hn::Mul(e, reciprocal), shift);
    // The lowest byte of the sum is the number itself.
    const auto bytes = hn::TruncateTo(Bytes(), hn::BitCast(Words(), shifted));
    const auto packed = Pack(bytes);
    hn::StoreU(packed, hn::DFromV<decltype(packed)>(), out + i / 2);
    if constexpr (kFeedback) {
      const auto q = hn::Sub(shifted, shift);
      hn::StoreU(hn::Sub(e, hn::Mul(q, scale)), d, part.residual + i);
    }
  });
}

struct Encoding : AbsmaxScale<kInt4Levels> {
  std::byte* values;

  template <bool kFeedback>
  void Write(const Pushed& block, size_t first, float scale) const {
    size_t done = 0;
    if constexpr (kHasVectors) {
      WriteInVectors<kFeedback>(Floats(), block, scale, values + first / 2);
      done = InGroups(block.elements);
    }
    scalar::WriteInt4<kFeedback>(block, scale, done, values + first / 2);
  }
};

// The least value.
template <class D>
HWY_INLINE int32_t AddInVectors(D d, const std::byte* values, size_t elements,
                                float block_scale_value, float scale_value, float* accumulator) {
  const Ints ints;
  const auto* const in = reinterpret_cast<const uint8_t*>(values);
  const auto block_scale = hn::Set(d, block_scale_value);
  const auto scale = hn::Set(d, scale_value);
  auto least = hn::Zero(ints);
  ForEachVector(InGroups(elements), [&](size_t i) HWY_ATTR {
    const auto q = LoadPacked(d, in + i / 2);
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
    if (!IsScale<kInt4Levels>(scale_bits)) return false;
    const float block_scale = FloatOf(scale_bits);
    size_t done = 0;
    if constexpr (kHasVectors) {
      if (AddInVectors(Floats(), values + first / 2, elements, block_scale, scale,
                       accumulator + first) < -kInt4Levels) {
        return false;
      }
      done = InGroups(elements);
    }
    return scalar::AddInt4(values + first / 2, done, elements, block_scale, scale,
                           accumulator + first);
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

uint32_t EncodeInt4(const Pushed& pushed, int block_log2, std::byte* scales, std::byte* values) {
  return HWY_DYNAMIC_DISPATCH(Encode)(pushed, block_log2, scales, values);
}

bool DecodeAddInt4(const std::byte* scales, const std::byte* values, int block_log2,
                   size_t elements, float scale, float* accumulator) {
  return HWY_DYNAMIC_DISPATCH(DecodeAdd)(scales, values, block_log2, elements, scale, accumulator);
}

}  // namespace tideway::compression
#endif
