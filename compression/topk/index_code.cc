#include "compression/topk/index_code.h"

#include <bit>
#include <cstring>

#include "compression/topk/bit_pack.h"

namespace tideway::compression {

IndexLayout LayoutFor(size_t elements, size_t k) {
  if (k == 0) return {elements, 0, 0, 0, 0};
  const uint64_t gap = (elements - k) / k;
  const int low_bits = gap == 0 ? 0 : static_cast<int>(std::bit_width(gap)) - 1;
  const uint64_t high = uint64_t{k} + ((elements - k) >> low_bits);
  const uint64_t low = uint64_t{k} * static_cast<uint64_t>(low_bits);
  return {elements, k, low_bits, BytesOfBits(high), BytesOfBits(low)};
}

void EncodeIndices(const IndexLayout& layout, const uint32_t* indices, std::byte* out) {
  if (layout.k == 0) return;
  std::memset(out, 0, layout.high_bytes);
  const uint64_t low_mask = (uint64_t{1} << layout.low_bits) - 1;
  BitWriter low(out + layout.high_bytes);
  for (uint64_t rank = 0; rank < layout.k; ++rank) {
    const uint64_t x = indices[rank] - rank;
    const uint64_t high_bit = (x >> layout.low_bits) + rank;
    out[high_bit >> 3] |= static_cast<std::byte>(1u << (high_bit & 7));
    low.Put(x & low_mask, layout.low_bits);
  }
  low.Finish();
}

IndexReader::IndexReader(const IndexLayout& layout, const std::byte* in)
    : layout_(layout), high_(in), low_(in + layout.high_bytes) {}

bool IndexReader::Next(size_t count, uint32_t* indices) {
  const auto low_bits = static_cast<uint64_t>(layout_.low_bits);
  for (size_t i = 0; i < count; ++i) {
    while (word_ == 0) {
      if (next_byte_ >= layout_.high_bytes) return false;
      word_ = LoadWord(high_, layout_.high_bytes, next_byte_);
      next_byte_ += 8;
    }
    const uint64_t bit = 8 * (next_byte_ - 8) + static_cast<uint64_t>(std::countr_zero(word_));
    word_ &= word_ - 1;
    // The bits below `bit` hold rank_ ones, so this does not wrap.
    const uint64_t x = (bit - rank_) << low_bits |
                       ReadBits(low_, layout_.low_bytes, rank_ * low_bits, layout_.low_bits);
    if (x > layout_.elements - layout_.k || x < last_shifted_) return false;
    last_shifted_ = x;
    indices[i] = static_cast<uint32_t>(x + rank_);
    ++rank_;
  }
  return true;
}

bool IndexReader::AtEnd() const {
  if (word_ != 0) return false;
  for (size_t at = next_byte_; at < layout_.high_bytes; ++at) {
    if (high_[at] != std::byte{0}) return false;
  }
  return UnusedBitsAreZero(low_, layout_.low_bytes,
                           layout_.k * static_cast<uint64_t>(layout_.low_bits));
}

}  // namespace tideway::compression
