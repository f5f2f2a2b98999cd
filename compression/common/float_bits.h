// Leaf arithmetic on single floats that several kernels share. Everything here is branch-light, so
// that plain loops over it vectorise. Compiled without contraction into fused multiply-adds
// (compression/CMakeLists.txt), so that every machine makes the same bytes.

#ifndef TIDEWAY_COMPRESSION_COMMON_FLOAT_BITS_H_
#define TIDEWAY_COMPRESSION_COMMON_FLOAT_BITS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tideway::compression {

inline constexpr uint32_t kInfinityBits = 0x7f800000;

constexpr uint32_t BitsOf(float value) { return std::bit_cast<uint32_t>(value); }
constexpr float FloatOf(uint32_t bits) { return std::bit_cast<float>(bits); }

// The magnitude as an integer: it orders as |value| does, and infinities and NaNs come out on top.
// A maximum of these vectorises where a maximum of floats does not.
inline uint32_t MagnitudeBits(float value) { return BitsOf(value) & 0x7fffffffu; }

inline uint32_t ToLittleEndian(uint32_t value) {
  if constexpr (std::endian::native == std::endian::big) return __builtin_bswap32(value);
  return value;
}

inline uint16_t ToLittleEndian(uint16_t value) {
  if constexpr (std::endian::native == std::endian::big) return __builtin_bswap16(value);
  return value;
}

inline uint64_t ToLittleEndian(uint64_t value) {
  if constexpr (std::endian::native == std::endian::big) return __builtin_bswap64(value);
  return value;
}

// Encoded bytes may start at any address, hence memcpy.
template <typename T>
inline T LoadLittleEndian(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return ToLittleEndian(value);
}

template <typename T>
inline void StoreLittleEndian(T value, std::byte* at) {
  value = ToLittleEndian(value);
  std::memcpy(at, &value, sizeof(value));
}

// The upper half of a finite float, rounded to nearest, ties to even. What would round to infinity
// becomes the largest finite value of its sign instead.
inline uint16_t RoundToBf16(float value) {
  const uint32_t bits = BitsOf(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t rounded = (magnitude + 0x7fffu + ((magnitude >> 16) & 1u)) >> 16;
  const uint32_t finite = rounded < 0x7f80u ? rounded : 0x7f7fu;
  return static_cast<uint16_t>(finite | ((bits >> 16) & 0x8000u));
}

inline float FromBf16(uint16_t half) { return FloatOf(static_cast<uint32_t>(half) << 16); }

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_COMMON_FLOAT_BITS_H_
