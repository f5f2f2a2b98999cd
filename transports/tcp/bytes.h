// Little-endian numbers in bytes, of any width.

#ifndef TIDEWAY_TRANSPORTS_TCP_BYTES_H_
#define TIDEWAY_TRANSPORTS_TCP_BYTES_H_

#include <cstddef>
#include <cstdint>

namespace tideway::tcp {

inline void PutLittleEndian(uint64_t value, size_t bytes, std::byte* out) {
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::byte>(value >> (8 * i));
}

inline uint64_t GetLittleEndian(const std::byte* in, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(in[i]) << (8 * i);
  return value;
}

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_BYTES_H_
