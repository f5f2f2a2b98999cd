// The loops over blocks with one fp32 scale each. A codec hands in its Format, which works on one
// block: its scalar reference has one, and each target of its kernel.
//
// A Format that encodes has
//   uint32_t Largest<kFeedback>(const Pushed& block)           the largest MagnitudeBits
//   float Scale<kFeedback>(const Pushed& block, uint32_t largest)
//   void Write<kFeedback>(const Pushed& block, size_t first, float scale)
//       its values, which begin with element `first`; the residual becomes e - decoded
// and one that decodes
//   bool Add(size_t first, size_t elements, uint32_t scale_bits)
//       false at a scale or a value that no encoder writes

#ifndef TIDEWAY_COMPRESSION_COMMON_BLOCKS_H_
#define TIDEWAY_COMPRESSION_COMMON_BLOCKS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"
#include "compression/common/float_bits.h"

namespace tideway::compression {

// Inlined by force: so these loops are compiled for the instruction set of the kernel that calls
// them, and the Format's functions can be inlined in turn.
#define TIDEWAY_BLOCK_LOOP [[gnu::always_inline]] inline

// Each block is read from memory once: its values are written while it lies in the cache.
template <class Format>
TIDEWAY_BLOCK_LOOP uint32_t EncodeBlocksWithoutFeedback(const Format& format, const Pushed& pushed,
                                                        int block_log2, std::byte* scales) {
  const size_t block = size_t{1} << block_log2;
  uint32_t largest = 0;
  for (size_t first = 0; first < pushed.elements; first += block) {
    const Pushed part = PartOf(pushed, first, std::min(block, pushed.elements - first));
    const uint32_t in_block = format.template Largest<false>(part);
    largest = std::max(largest, in_block);
    if (largest >= kInfinityBits) break;
    const float scale = format.template Scale<false>(part, in_block);
    StoreLittleEndian(BitsOf(scale), scales + 4 * (first >> block_log2));
    format.template Write<false>(part, first, scale);
  }
  return largest;
}

// All scales before the first value, so that a refusal leaves the residual as it was.
template <class Format>
TIDEWAY_BLOCK_LOOP uint32_t EncodeBlocksWithFeedback(const Format& format, const Pushed& pushed,
                                                     int block_log2, std::byte* scales) {
  const size_t block = size_t{1} << block_log2;
  const auto part_at = [&](size_t first) {
    return PartOf(pushed, first, std::min(block, pushed.elements - first));
  };
  uint32_t largest = 0;
  for (size_t first = 0; first < pushed.elements; first += block) {
    const uint32_t in_block = format.template Largest<true>(part_at(first));
    largest = std::max(largest, in_block);
    if (largest >= kInfinityBits) return largest;
    StoreLittleEndian(BitsOf(format.template Scale<true>(part_at(first), in_block)),
                      scales + 4 * (first >> block_log2));
  }
  for (size_t first = 0; first < pushed.elements; first += block) {
    const auto scale = LoadLittleEndian<uint32_t>(scales + 4 * (first >> block_log2));
    format.template Write<true>(part_at(first), first, FloatOf(scale));
  }
  return largest;
}

// Returns the largest MagnitudeBits of e: from kInfinityBits on, what was written is worthless and
// the residual is as it was.
template <class Format>
TIDEWAY_BLOCK_LOOP uint32_t EncodeBlocks(const Format& format, const Pushed& pushed, int block_log2,
                                         std::byte* scales) {
  return pushed.residual == nullptr
             ? EncodeBlocksWithoutFeedback(format, pushed, block_log2, scales)
             : EncodeBlocksWithFeedback(format, pushed, block_log2, scales);
}

// False, with the accumulator half done, where Add says so.
template <class Format>
TIDEWAY_BLOCK_LOOP bool AddBlocks(const Format& format, const std::byte* scales, int block_log2,
                                  size_t elements) {
  const size_t block = size_t{1} << block_log2;
  for (size_t first = 0; first < elements; first += block) {
    const auto scale = LoadLittleEndian<uint32_t>(scales + 4 * (first >> block_log2));
    if (!format.Add(first, std::min(block, elements - first), scale)) return false;
  }
  return true;
}

#undef TIDEWAY_BLOCK_LOOP

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_COMMON_BLOCKS_H_
