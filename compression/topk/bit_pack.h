// Fields of equal width, packed from the lowest bit of each byte on. Pure, no allocation.

#ifndef TIDEWAY_COMPRESSION_TOPK_BIT_PACK_H_
#define TIDEWAY_COMPRESSION_TOPK_BIT_PACK_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "compression/common/float_bits.h"

namespace tideway::compression {

inline constexpr size_t BytesOfBits(uint64_t bits) { return static_cast<size_t>((bits + 7) / 8); }

// Writes fields one after another; Finish pads with zeros to a whole byte.
class BitWriter {
 public:
  explicit BitWriter(std::byte* out) : out_(out) {}

  // REQUIRES: bits <= 32, value < 2^bits.
  void Put(uint64_t value, int bits) {
    pending_ |= value << pending_bits_;
    pending_bits_ += bits;
    if (pending_bits_ < 32) return;
    StoreLittleEndian(static_cast<uint32_t>(pending_), out_);
    out_ += 4;
    pending_ >>= 32;
    pending_bits_ -= 32;
  }

  void Finish() {
    for (; pending_bits_ > 0; pending_bits_ -= 8, pending_ >>= 8) {
      *out_++ = static_cast<std::byte>(pending_ & 0xff);
    }
  }

 private:
  std::byte* out_;
  uint64_t pending_ = 0;
  int pending_bits_ = 0;
};

// The up to 8 bytes from `at` on, of `bytes` in all; zeros beyond.
inline uint64_t LoadWord(const std::byte* from, size_t bytes, size_t at) {
  if (bytes - at >= 8) return LoadLittleEndian<uint64_t>(from + at);
  uint64_t word = 0;
  std::memcpy(&word, from + at, bytes - at);
  return ToLittleEndian(word);
}

// REQUIRES: count <= 32; the field lies within the `bytes` bytes.
inline uint64_t ReadBits(const std::byte* from, size_t bytes, uint64_t bit, int count) {
  if (count == 0) return 0;
  const uint64_t word = LoadWord(from, bytes, static_cast<size_t>(bit >> 3)) >> (bit & 7);
  return word & ((uint64_t{1} << count) - 1);
}

// True if nothing is set behind the first `used_bits` of `bytes`, the whole bytes that hold them.
inline bool UnusedBitsAreZero(const std::byte* from, size_t bytes, uint64_t used_bits) {
  return (used_bits & 7) == 0 || std::to_integer<unsigned>(from[bytes - 1]) >> (used_bits & 7) == 0;
}

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_TOPK_BIT_PACK_H_
