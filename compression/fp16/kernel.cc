#include "compression/fp16/kernel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compression/fp16/kernel.cc"
#include "hwy/foreach_target.h"
// Before what it compiles for each target.
#include "hwy/highway.h"

#include "compression/common/simd.inc"
#include "compression/fp16/scalar.h"

HWY_BEFORE_NAMESPACE();
namespace tideway::compression::HWY_NAMESPACE {
namespace {

// RoundToHalf, in the lower half of each lane.
HWY_INLINE hn::Vec<Ints> ToHalves(hn::Vec<Floats> values) {
  const Floats d;
  const Ints ints;
  const auto bits = hn::BitCast(ints, values);
  const auto magnitude = Magnitudes(values);
  const auto last = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(ints, 1));
  const auto bias = hn::Set(ints, 0xfff - static_cast<int32_t>(kRebias));
  const auto normal = hn::ShiftRight<13>(hn::Add(hn::Add(magnitude, bias), last));
  const auto half = hn::Set(d, 0.5f);
  const auto denormal =
      hn::Sub(hn::BitCast(ints, hn::Add(hn::BitCast(d, magnitude), half)), hn::BitCast(ints, half));
  const auto is_denormal = hn::Lt(magnitude, hn::Set(ints, static_cast<int32_t>(kHalfNormalBits)));
  const auto finite = hn::Min(normal, hn::Set(ints, static_cast<int32_t>(kHalfMax)));
  const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(ints, 0x8000));
  return hn::Or(hn::IfThenElse(is_denormal, denormal, finite), sign);
}

// FromHalf of the lower half of each lane.
HWY_INLINE hn::Vec<Floats> FromHalves(hn::Vec<Ints> halves) {
  const Floats d;
  const Ints ints;
  const auto magnitude = hn::ShiftLeft<13>(hn::And(halves, hn::Set(ints, 0x7fff)));
  const auto least_normal = hn::Set(ints, static_cast<int32_t>(kHalfNormalBits));
  const auto denormal =
      hn::Sub(hn::BitCast(d, hn::Add(magnitude, least_normal)), hn::BitCast(d, least_normal));
  const auto normal =
      hn::BitCast(d, hn::Add(magnitude, hn::Set(ints, static_cast<int32_t>(kRebias))));
  const auto is_denormal = hn::Lt(magnitude, hn::Set(ints, 0x400 << 13));
  const auto value = hn::IfThenElse(hn::RebindMask(d, is_denormal), denormal, normal);
  const auto sign = hn::ShiftLeft<16>(hn::And(halves, hn::Set(ints, 0x8000)));
  return hn::BitCast(d, hn::Or(hn::BitCast(ints, value), sign));
}

template <bool kFeedback, class D>
HWY_INLINE uint32_t EncodeInVectors(D d, const Pushed& pushed, int shift, std::byte* out_bytes) {
  const Pushed all = pushed;  // a copy, which no store can change
  auto* const out = reinterpret_cast<uint16_t*>(out_bytes);
  const auto decay = hn::Set(d, all.decay);
  const auto down = hn::Set(d, PowerOfTwo(-shift));
  const auto up = hn::Set(d, PowerOfTwo(shift));
  auto largest = hn::Zero(Ints());
  ForEachVector(all.elements, [&](size_t i) HWY_ATTR {
    const Halves halves;
    if constexpr (!kFeedback) Prefetch(all.delta, i);
    const auto e = ElementsAt<kFeedback>(all, decay, i);
    largest = hn::Max(largest, Magnitudes(e));
    const auto rounded = ToHalves(hn::Mul(e, down));
    hn::StoreU(hn::TruncateTo(halves, hn::BitCast(Words(), rounded)), halves, out + i);
    if constexpr (kFeedback) {
      const auto decoded = hn::Mul(FromHalves(rounded), up);
      hn::StoreU(hn::Sub(e, decoded), d, all.residual + i);
    }
  });
  return LargestOf(largest);
}

template <bool kFeedback>
uint32_t EncodeAll(const Pushed& pushed, int shift, std::byte* out) {
  uint32_t largest = 0;
  size_t done = 0;
  if constexpr (kHasVectors) {
    largest = EncodeInVectors<kFeedback>(Floats(), pushed, shift, out);
    done = InVectors(pushed.elements);
  }
  return std::max(largest, scalar::EncodeFp16<kFeedback>(pushed, shift, done, out));
}

template <class D>
HWY_INLINE uint32_t AddInVectors(D d, const std::byte* in_bytes, int shift, size_t elements,
                                 float scale_value, float* accumulator) {
  const Ints ints;
  const auto* const in = reinterpret_cast<const uint16_t*>(in_bytes);
  const auto scale = hn::Set(d, scale_value);
  const auto up = hn::Set(d, PowerOfTwo(shift));
  auto largest = hn::Zero(ints);
  ForEachVector(elements, [&](size_t i) HWY_ATTR {
    const auto halves = hn::PromoteTo(ints, hn::LoadU(Halves(), in + i));
    largest = hn::Max(largest, hn::And(halves, hn::Set(ints, 0x7fff)));
    const auto value = hn::Mul(FromHalves(halves), up);
    const auto sum = hn::Add(hn::LoadU(d, accumulator + i), hn::Mul(scale, value));
    hn::StoreU(sum, d, accumulator + i);
  });
  return LargestOf(largest);
}

uint32_t Encode(const Pushed& pushed, int shift, std::byte* out) {
  return pushed.residual == nullptr ? EncodeAll<false>(pushed, shift, out)
                                    : EncodeAll<true>(pushed, shift, out);
}

uint32_t DecodeAdd(const std::byte* in, int shift, size_t elements, float scale,
                   float* accumulator) {
  uint32_t largest = 0;
  size_t done = 0;
  if constexpr (kHasVectors) {
    largest = AddInVectors(Floats(), in, shift, elements, scale, accumulator);
    done = InVectors(elements);
  }
  return std::max(largest, scalar::DecodeAddFp16(in, shift, done, elements, scale, accumulator));
}

}  // namespace
}  // namespace tideway::compression::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tideway::compression {

HWY_EXPORT(Encode);
HWY_EXPORT(DecodeAdd);

uint32_t EncodeFp16(const Pushed& pushed, int shift, std::byte* out) {
  return HWY_DYNAMIC_DISPATCH(Encode)(pushed, shift, out);
}

uint32_t DecodeAddFp16(const std::byte* in, int shift, size_t elements, float scale,
                       float* accumulator) {
  return HWY_DYNAMIC_DISPATCH(DecodeAdd)(in, shift, elements, scale, accumulator);
}

}  // namespace tideway::compression
#endif
