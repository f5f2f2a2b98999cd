#include "compression/bf16/kernel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compression/bf16/kernel.cc"
#include "hwy/foreach_target.h"
// Before what it compiles for each target.
#include "hwy/highway.h"

#include "compression/bf16/scalar.h"
#include "compression/common/simd.inc"

HWY_BEFORE_NAMESPACE();
namespace tideway::compression::HWY_NAMESPACE {
namespace {

// RoundToBf16, in the lower half of each lane.
HWY_INLINE hn::Vec<Words> ToBf16(hn::Vec<Floats> values) {
  const Words d;
  const auto bits = hn::BitCast(d, values);
  const auto magnitude = hn::And(bits, hn::Set(d, 0x7fffffffu));
  const auto last = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(magnitude, hn::Set(d, 0x7fffu)), last));
  const auto finite = hn::Min(rounded, hn::Set(d, 0x7f7fu));
  return hn::Or(finite, hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 0x8000u)));
}

template <bool kFeedback, class D>
HWY_INLINE uint32_t EncodeInVectors(D d, const Pushed& pushed, std::byte* out_bytes) {
  const Pushed all = pushed;  // a copy, which no store can change
  auto* const out = reinterpret_cast<uint16_t*>(out_bytes);
  const auto decay = hn::Set(d, all.decay);
  auto largest = hn::Zero(Ints());
  ForEachVector(all.elements, [&](size_t i) HWY_ATTR {
    const Halves halves;
    if constexpr (!kFeedback) Prefetch(all.delta, i);
    const auto e = ElementsAt<kFeedback>(all, decay, i);
    largest = hn::Max(largest, Magnitudes(e));
    const auto rounded = ToBf16(e);
    hn::StoreU(hn::TruncateTo(halves, rounded), halves, out + i);
    if constexpr (kFeedback) {
      const auto decoded = hn::BitCast(d, hn::ShiftLeft<16>(rounded));
      hn::StoreU(hn::Sub(e, decoded), d, all.residual + i);
    }
  });
  return LargestOf(largest);
}

template <bool kFeedback>
uint32_t EncodeAll(const Pushed& pushed, std::byte* out) {
  uint32_t largest = 0;
  size_t done = 0;
  if constexpr (kHasVectors) {
    largest = EncodeInVectors<kFeedback>(Floats(), pushed, out);
    done = InVectors(pushed.elements);
  }
  return std::max(largest, scalar::EncodeBf16<kFeedback>(pushed, done, out));
}

template <class D>
HWY_INLINE uint32_t AddInVectors(D d, const std::byte* in_bytes, size_t elements, float scale_value,
                                 float* accumulator) {
  const auto* const in = reinterpret_cast<const uint16_t*>(in_bytes);
  const auto scale = hn::Set(d, scale_value);
  auto largest = hn::Zero(Ints());
  ForEachVector(elements, [&](size_t i) HWY_ATTR {
    const auto halves = hn::PromoteTo(Words(), hn::LoadU(Halves(), in + i));
    const auto value = hn::BitCast(d, hn::ShiftLeft<16>(halves));
    largest = hn::Max(largest, Magnitudes(value));
    const auto sum = hn::Add(hn::LoadU(d, accumulator + i), hn::Mul(scale, value));
    hn::StoreU(sum, d, accumulator + i);
  });
  return LargestOf(largest);
}

uint32_t Encode(const Pushed& pushed, std::byte* out) {
  return pushed.residual == nullptr ? EncodeAll<false>(pushed, out) : EncodeAll<true>(pushed, out);
}

uint32_t DecodeAdd(const std::byte* in, size_t elements, float scale, float* accumulator) {
  uint32_t largest = 0;
  size_t done = 0;
  if constexpr (kHasVectors) {
    largest = AddInVectors(Floats(), in, elements, scale, accumulator);
    done = InVectors(elements);
  }
  return std::max(largest, scalar::DecodeAddBf16(in, done, elements, scale, accumulator));
}

}  // namespace
}  // namespace tideway::compression::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tideway::compression {

HWY_EXPORT(Encode);
HWY_EXPORT(DecodeAdd);

uint32_t EncodeBf16(const Pushed& pushed, std::byte* out) {
  return HWY_DYNAMIC_DISPATCH(Encode)(pushed, out);
}

uint32_t DecodeAddBf16(const std::byte* in, size_t elements, float scale, float* accumulator) {
  return HWY_DYNAMIC_DISPATCH(DecodeAdd)(in, elements, scale, accumulator);
}

}  // namespace tideway::compression
#endif
