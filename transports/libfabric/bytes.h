// Numbers in little-endian bytes.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_BYTES_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_BYTES_H_

#include <bit>
#include <cstddef>
#include <cstring>

namespace tideway::libfabric {

static_assert(std::endian::native == std::endian::little,
              "numbers go onto the wire as they lie in memory");

template <typename Number>
void Put(std::byte* out, Number value) {
  std::memcpy(out, &value, sizeof(value));
}

template <typename Number>
Number Get(const std::byte* in) {
  Number value;
  std::memcpy(&value, in, sizeof(value));
  return value;
}

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_BYTES_H_
