#include "compression/int8/stochastic.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compression/int8/stochastic.cc"
#include "hwy/foreach_target.h"
// Before what it compiles for each target.
#include "hwy/highway.h"

#include "compression/common/simd.inc"
#include "compression/int8/stochastic_scalar.h"

HWY_BEFORE_NAMESPACE();
namespace tideway::compression::HWY_NAMESPACE {
namespace {

template <bool kFeedback, class D>
HWY_INLINE uint32_t SumInVectors(D d, const Pushed& block) {
  const Words words;
  const auto decay = hn::Set(d, block.decay);
  auto sum = hn::Zero(words);
  ForEachVector(block.elements, [&](size_t i) HWY_ATTR {
    const auto e = hn::Add(ElementsAt<kFeedback>(block, decay, i), hn::Zero(d));
    sum = hn::Add(sum, hn::BitCast(words, e));
  });
  return SumOf(sum);
}

// Mix32, of which the upper 17 bits, made odd, are left: 2^17 * u.
HWY_INLINE hn::Vec<Ints> Draw(hn::Vec<Words> x) {
  const Words d;
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<16>(x)), hn::Set(d, 0x7feb352du));
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<15>(x)), hn::Set(d, 0x846ca68bu));
  x = hn::Xor(x, hn::ShiftRight<16>(x));
  return hn::BitCast(Ints(), hn::Or(hn::ShiftRight<15>(x), hn::Set(d, 1u)));
}

template <bool kFeedback, class D>
HWY_INLINE void WriteInVectors(D d, const Pushed& block, float block_scale, uint32_t key,
                               std::byte* values) {
  const Pushed part = block;  // a copy, which no store can change
  const Words words;
  auto* const out = reinterpret_cast<uint8_t*>(values);
  const auto decay = hn::Set(d, part.decay);
  const auto scale = hn::Set(d, block_scale);
  const auto reciprocal = hn::Set(d, ReciprocalOf(block_scale));
  const auto lowest = hn::Set(d, -127.0f), highest = hn::Set(d, 127.0f);
  // Of the first vector's elements.
  const auto counters =
      hn::Add(hn::Mul(hn::Iota(words, 0), hn::Set(words, kElementStep)), hn::Set(words, key));
  ForEachVector(part.elements, [&](size_t i) HWY_ATTR {
    const Bytes bytes;
    const auto e = ElementsAt<kFeedback>(part, decay, i);
    const auto counter = hn::Add(counters, hn::Set(words, static_cast<uint32_t>(i) * kElementStep));
    const auto u = hn::Mul(hn::ConvertTo(d, Draw(counter)), hn::Set(d, 0x1p-17f));
    const auto x = hn::Min(hn::Max(hn::Mul(e, reciprocal), lowest), highest);
    const auto q = hn::Floor(hn::Add(x, u));
    const auto whole = hn::BitCast(words, hn::ConvertTo(Ints(), q));
    hn::StoreU(hn::TruncateTo(bytes, whole), bytes, out + i);
    if constexpr (kFeedback) hn::StoreU(hn::Sub(e, hn::Mul(q, scale)), d, part.residual + i);
  });
}

struct Encoding : AbsmaxScale<127> {
  std::byte* values;
  uint64_t seed;
  int block_log2;

  template <bool kFeedback>
  void Write(const Pushed& block, size_t first, float scale) const {
    uint32_t sum = 0;
    size_t done = 0;
    if constexpr (kHasVectors) {
      sum = SumInVectors<kFeedback>(Floats(), block);
      done = InVectors(block.elements);
    }
    sum += scalar::SumOfPatterns<kFeedback>(block, done);
    const uint32_t key = KeyOf(seed, first >> block_log2, sum);
    if constexpr (kHasVectors) {
      WriteInVectors<kFeedback>(Floats(), block, scale, key, values + first);
    }
    scalar::WriteStochastic<kFeedback>(block, scale, key, done, values + first);
  }
};

uint32_t EncodeStochastic(const Pushed& pushed, int block_log2, uint64_t seed, std::byte* scales,
                          std::byte* values) {
  return EncodeBlocks(Encoding{{}, values, seed, block_log2}, pushed, block_log2, scales);
}

}  // namespace
}  // namespace tideway::compression::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tideway::compression {

HWY_EXPORT(EncodeStochastic);

uint32_t EncodeInt8Stochastic(const Pushed& pushed, int block_log2, uint64_t seed,
                              std::byte* scales, std::byte* values) {
  return HWY_DYNAMIC_DISPATCH(EncodeStochastic)(pushed, block_log2, seed, scales, values);
}

}  // namespace tideway::compression
#endif
