#include "compression/sparse_lossless/packed.h"

#include <bit>

#include "compression/common/float_bits.h"

namespace tideway::compression {

int BitsOfLargest(const uint32_t* values, size_t count) {
  uint32_t all = 0;
  for (size_t i = 0; i < count; ++i) all |= values[i];
  return static_cast<int>(std::bit_width(all));
}

// Half a word is stored as soon as it is full, so that the other half has room for any value.
void Pack(const uint32_t* values, size_t count, int bits, std::byte* out) {
  uint64_t word = 0;
  int filled = 0;
  for (size_t i = 0; i < count; ++i) {
    word |= uint64_t{values[i]} << filled;
    filled += bits;
    if (filled < 32) continue;
    StoreLittleEndian(static_cast<uint32_t>(word), out);
    out += 4;
    word >>= 32;
    filled -= 32;
  }
  for (; filled > 0; filled -= 8, word >>= 8) *out++ = static_cast<std::byte>(word & 0xff);
}

bool Unpack(const std::byte* in, size_t count, int bits, uint32_t* values) {
  const std::byte* const end = in + PackedBytes(count, bits);
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  uint64_t word = 0;
  int filled = 0;
  for (size_t i = 0; i < count; ++i) {
    if (filled < bits && end - in >= 4) {
      word |= uint64_t{LoadLittleEndian<uint32_t>(in)} << filled;
      in += 4;
      filled += 32;
    }
    for (; filled < bits; filled += 8) word |= std::to_integer<uint64_t>(*in++) << filled;
    values[i] = static_cast<uint32_t>(word & mask);
    word >>= bits;
    filled -= bits;
  }
  return word == 0;
}

}  // namespace tideway::compression
