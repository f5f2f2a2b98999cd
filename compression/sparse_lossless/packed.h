// Small numbers, packed with as many bits each as the largest of them needs. Bits are counted from the
// lowest bit of each byte. Pure.

#ifndef TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_PACKED_H_
#define TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_PACKED_H_

#include <cstddef>
#include <cstdint>

namespace tideway::compression {

inline size_t PackedBytes(size_t count, int bits) {
  return (count * static_cast<size_t>(bits) + 7) / 8;
}

// The bits that the largest of `values` needs: 0 to 32.
int BitsOfLargest(const uint32_t* values, size_t count);

// Writes PackedBytes(count, bits) bytes. REQUIRES: no value needs more than `bits`.
void Pack(const uint32_t* values, size_t count, int bits, std::byte* out);

// Reads PackedBytes(count, bits) bytes. False if a bit behind the last value is set. REQUIRES:
// bits <= 32.
bool Unpack(const std::byte* in, size_t count, int bits, uint32_t* values);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_PACKED_H_
