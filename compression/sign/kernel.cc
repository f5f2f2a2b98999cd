#include "compression/sign/kernel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compression/sign/kernel.cc"
#include "hwy/foreach_target.h"
// Before what it compiles for each target.
#include "hwy/highway.h"

#include "compression/common/simd.inc"
#include "compression/sign/scalar.h"

HWY_BEFORE_NAMESPACE();
namespace tideway::compression::HWY_NAMESPACE {
namespace {

// The signs of 16 elements, whose e are negative where `is_negative` says so, from vectors of any
// length.
HWY_INLINE uint32_t BitsOfMask(hn::Mask<Floats> is_negative) {
  uint8_t bytes[8] = {};
  hn::StoreMaskBits(Floats(), is_negative, bytes);
  return bytes[0] | uint32_t{bytes[1]} << 8;
}

HWY_INLINE hn::Mask<Floats> MaskOfBits(uint32_t bits) {
  const uint8_t bytes[8] = {static_cast<uint8_t>(bits), static_cast<uint8_t>(bits >> 8)};
  return hn::LoadMaskBits(Floats(), bytes);
}

template <bool kFeedback, class D>
HWY_INLINE uint32_t SumInVectors(D d, const Pushed& block, float units_per_value) {
  const Words words;
  const auto decay = hn::Set(d, block.decay);
  const auto units_per = hn::Set(d, units_per_value);
  const auto shift = hn::Set(d, kWholeShift);
  auto sum = hn::Zero(words);
  ForEachVector(block.elements, [&](size_t i) HWY_ATTR {
    const auto magnitude = hn::Abs(ElementsAt<kFeedback>(block, decay, i));
    const auto shifted = hn::Add(hn::Mul(magnitude, units_per), shift);
    sum = hn::Add(sum, hn::Sub(hn::BitCast(words, shifted), hn::BitCast(words, shift)));
  });
  return SumOf(sum);
}

template <bool kFeedback, class D>
HWY_INLINE void WriteInGroups(D d, const Pushed& block, float scale_value, std::byte* values) {
  const Pushed part = block;  // a copy, which no store can change
  const size_t lanes = hn::Lanes(d);
  const auto decay = hn::Set(d, part.decay);
  const auto scale = hn::Set(d, scale_value);
  const size_t end = InGroups(part.elements);
  for (size_t group = 0; group < end; group += kGroup) {
    uint32_t bits = 0;
    for (size_t j = 0; j < kGroup; j += lanes) {
      const auto e = ElementsAt<kFeedback>(part, decay, group + j);
      const auto is_negative = hn::Lt(e, hn::Zero(d));
      bits |= BitsOfMask(is_negative) << j;
      if constexpr (kFeedback) {
        const auto decoded = hn::IfThenElse(is_negative, hn::Neg(scale), scale);
        hn::StoreU(hn::Sub(e, decoded), d, part.residual + group + j);
      }
    }
    StoreLittleEndian(static_cast<uint16_t>(bits), values + group / 8);
  }
}

struct Encoding {
  std::byte* values;

  template <bool kFeedback>
  uint32_t Largest(const Pushed& block) const {
    return MagnitudeMax<kFeedback>(block);
  }
  template <bool kFeedback>
  float Scale(const Pushed& block, uint32_t largest) const {
    if (largest < kFlushBelowBits || largest >= kInfinityBits) return 0.0f;
    const float units_per = UnitsPer(largest);
    uint32_t sum = 0;
    size_t done = 0;
    if constexpr (kHasVectors) {
      sum = SumInVectors<kFeedback>(Floats(), block, units_per);
      done = InVectors(block.elements);
    }
    sum += scalar::SumMagnitudes<kFeedback>(block, units_per, done);
    return MeanOf(sum, block.elements, largest);
  }
  template <bool kFeedback>
  void Write(const Pushed& block, size_t first, float scale) const {
    size_t done = 0;
    if constexpr (kHasVectors) {
      WriteInGroups<kFeedback>(Floats(), block, scale, values + first / 8);
      done = InGroups(block.elements);
    }
    scalar::WriteSigns<kFeedback>(block, scale, done, values + first / 8);
  }
};

template <class D>
HWY_INLINE void AddInGroups(D d, const std::byte* values, size_t elements, float step_value,
                            float* accumulator) {
  const size_t lanes = hn::Lanes(d);
  const auto step = hn::Set(d, step_value);
  const size_t end = InGroups(elements);
  for (size_t group = 0; group < end; group += kGroup) {
    const uint32_t bits = LoadLittleEndian<uint16_t>(values + group / 8);
    for (size_t j = 0; j < kGroup; j += lanes) {
      const auto signed_step = hn::IfThenElse(MaskOfBits(bits >> j), hn::Neg(step), step);
      float* const at = accumulator + group + j;
      hn::StoreU(hn::Add(hn::LoadU(d, at), signed_step), d, at);
    }
  }
}

struct Adding {
  const std::byte* values;
  float scale;
  float* accumulator;

  bool Add(size_t first, size_t elements, uint32_t scale_bits) const {
    if (scale_bits >= kInfinityBits) return false;
    const float step = scale * FloatOf(scale_bits);
    size_t done = 0;
    if constexpr (kHasVectors) {
      AddInGroups(Floats(), values + first / 8, elements, step, accumulator + first);
      done = InGroups(elements);
    }
    return scalar::AddSigns(values + first / 8, done, elements, step, accumulator + first);
  }
};

uint32_t Encode(const Pushed& pushed, int block_log2, std::byte* scales, std::byte* values) {
  return EncodeBlocks(Encoding{values}, pushed, block_log2, scales);
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

uint32_t EncodeSign(const Pushed& pushed, int block_log2, std::byte* scales, std::byte* values) {
  return HWY_DYNAMIC_DISPATCH(Encode)(pushed, block_log2, scales, values);
}

bool DecodeAddSign(const std::byte* scales, const std::byte* values, int block_log2,
                   size_t elements, float scale, float* accumulator) {
  return HWY_DYNAMIC_DISPATCH(DecodeAdd)(scales, values, block_log2, elements, scale, accumulator);
}

}  // namespace tideway::compression
#endif
