#include "compression/sparse_lossless/packed.h"

#include <bit>
#include <cstring>

#include "compression/common/float_bits.h"

namespace tideway::compression {

int BitsOfLargest(const uint32_t* values, size_t count) {
  uint32_t all = 0;
  for (size_t i = 0; i < count; ++i) all |= values[i];
  return static_cast<int>(std::bit_width(all));
}

// All whole bytes so far are stored with each value, those behind them as well: without a branch on how many there are.
void Pack(const uint32_t* values, size_t count, int bits, std::byte* out) {
  std::byte packed[kPackedMax * sizeof(uint32_t) + sizeof(uint64_t)];
  std::byte* to = packed;
  uint64_t word = 0;
  int filled = 0;
  for (size_t i = 0; i < count; ++i) {
    word |= uint64_t{values[i]} << filled;
    filled += bits;
    StoreLittleEndian(word, to);
    to += filled / 8;
    word >>= filled & ~7;
    filled &= 7;
  }
  std::memcpy(out, packed, PackedBytes(count, bits));
}

// Each value out of the eight bytes from its first on, of which a field of at most 32 bits needs five.
bool Unpack(const std::byte* in, size_t count, int bits, uint32_t* values) {
  std::byte packed[kPackedMax * sizeof(uint32_t) + sizeof(uint64_t)];
  const size_t bytes = PackedBytes(count, bits);
  std::memcpy(packed, in, bytes);
  std::memset(packed + bytes, 0, sizeof(uint64_t));
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  const auto width = static_cast<size_t>(bits);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = i * width;
    values[i] = static_cast<uint32_t>(LoadLittleEndian<uint64_t>(packed + at / 8) >> at % 8 & mask);
  }
  const size_t end = count * width;
  return LoadLittleEndian<uint64_t>(packed + end / 8) >> end % 8 == 0;
}

}  // namespace tideway::compression
