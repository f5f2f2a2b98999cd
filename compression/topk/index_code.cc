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

bool IndexReader::ReadUpper(size_t count, uint32_t* uppers) {
  // Copies: the bytes that are read might be members as far as the compiler knows.
  uint64_t word = word_;
  uint64_t bit_base = 8 * static_cast<uint64_t>(next_byte_) - 64 - rank_;
  for (size_t i = 0; i < count; ++i) {
    while (word == 0) {
      if (next_byte_ >= layout_.high_bytes) return false;
      word = LoadWord(high_, layout_.high_bytes, next_byte_);
      next_byte_ += 8;
      bit_base = 8 * static_cast<uint64_t>(next_byte_) - 64 - rank_;
    }
    // The bits below this one hold rank_ + i ones, so this does not wrap.
    uppers[i] = static_cast<uint32_t>(bit_base + static_cast<uint64_t>(std::countr_zero(word)) - i);
    word &= word - 1;
  }
  word_ = word;
  return true;
}

bool IndexReader::Next(size_t count, uint32_t* indices) {
  if (!ReadUpper(count, indices)) return false;
  const int low_bits = layout_.low_bits;
  const auto width = static_cast<uint64_t>(low_bits);
  const uint64_t largest = layout_.elements - layout_.k;
  const std::byte* const low = low_;
  const size_t low_bytes = layout_.low_bytes;
  uint64_t rank = rank_;
  uint64_t last = last_shifted_;
  bool valid = true;
  for (size_t i = 0; i < count; ++i, ++rank) {
    const uint64_t x =
        uint64_t{indices[i]} << low_bits | ReadBits(low, low_bytes, rank * width, low_bits);
    valid &= x >= last && x <= largest;
    last = x;
    indices[i] = static_cast<uint32_t>(x + rank);
  }
  rank_ = rank;
  last_shifted_ = last;
  return valid;
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
