// Highway compiles this file once for each instruction set, each time in another HWY_NAMESPACE.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compression/sparse_lossless/compare.cc"
#include "hwy/foreach_target.h"  // first of the Highway headers

#include "compression/sparse_lossless/compare.h"

#include <cstring>

#include "hwy/highway.h"

#include "compression/common/simd.inc"

HWY_BEFORE_NAMESPACE();
namespace tideway::compression::HWY_NAMESPACE {
namespace {

// The words may lie at any address, which vectors of their own type may not.
template <class D>
HWY_INLINE hn::Vec<D> LoadWords(D d, const std::byte* words) {
  const hn::Repartition<uint8_t, D> bytes;
  return hn::BitCast(d, hn::LoadU(bytes, reinterpret_cast<const uint8_t*>(words)));
}

template <typename Word>
HWY_INLINE uint64_t MaskOfWords(const std::byte* from, const std::byte* to) {
  uint64_t mask = 0;
  for (size_t i = 0; i < kWordsPerMask; ++i) {
    Word before = 0;
    Word after;
    if (from != nullptr) std::memcpy(&before, from + i * sizeof(Word), sizeof(Word));
    std::memcpy(&after, to + i * sizeof(Word), sizeof(Word));
    mask |= uint64_t{before != after} << i;
  }
  return mask;
}

template <typename Word>
HWY_INLINE uint64_t MaskInVectors(const std::byte* from, const std::byte* to) {
  const hn::CappedTag<Word, kWordsPerMask> d;
  const size_t lanes = hn::Lanes(d);
  uint64_t mask = 0;
  for (size_t i = 0; i < kWordsPerMask; i += lanes) {
    const auto before = from == nullptr ? hn::Zero(d) : LoadWords(d, from + i * sizeof(Word));
    const auto different = hn::Ne(before, LoadWords(d, to + i * sizeof(Word)));
    HWY_ALIGN uint8_t bits[8] = {};
    hn::StoreMaskBits(d, different, bits);
    uint64_t part;
    std::memcpy(&part, bits, sizeof(part));
    mask |= part << i;
  }
  return mask;
}

template <typename Word>
HWY_INLINE void Compare(const std::byte* from, const std::byte* to, size_t masks_count,
                        uint64_t* masks) {
  constexpr size_t kBytes = kWordsPerMask * sizeof(Word);
  for (size_t m = 0; m < masks_count; ++m) {
    const std::byte* const before = from == nullptr ? nullptr : from + m * kBytes;
    const std::byte* const after = to + m * kBytes;
    if constexpr (kHasVectors) {
      masks[m] = MaskInVectors<Word>(before, after);
    } else {
      masks[m] = MaskOfWords<Word>(before, after);
    }
  }
}

void CompareAny(const std::byte* from, const std::byte* to, size_t word_bytes, size_t masks_count,
                uint64_t* masks) {
  if (word_bytes == sizeof(uint16_t)) return Compare<uint16_t>(from, to, masks_count, masks);
  Compare<uint32_t>(from, to, masks_count, masks);
}

}  // namespace
}  // namespace tideway::compression::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tideway::compression {

HWY_EXPORT(CompareAny);

void CompareWords(const Versions& versions, size_t first, size_t masks_count, uint64_t* masks) {
  const size_t offset = first * versions.word_bytes;
  const std::byte* const from = versions.from == nullptr ? nullptr : versions.from + offset;
  HWY_DYNAMIC_DISPATCH(CompareAny)
  (from, versions.to + offset, versions.word_bytes, masks_count, masks);
}

}  // namespace tideway::compression
#endif  // HWY_ONCE
