// One fuzz input for what the ucx and libfabric transports decode of a peer's bytes.
//
//   byte 0      which decoder, modulo their number
//   the rest    what it is given
//
// Checksums are put right first where a decoder has one, so that the fuzzer gets past them.

#ifndef TIDEWAY_TESTS_FUZZ_TRANSPORT_WIRES_H_
#define TIDEWAY_TESTS_FUZZ_TRANSPORT_WIRES_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace tideway::fuzz {

inline constexpr size_t kWires = 8;

// Decodes from a heap block of exactly the right size, which AddressSanitizer watches. Returns what is wrong, or an empty string:
// what was accepted must be in its limits, and encoding it again must give bytes that are accepted too.
std::string DecodeWire(const uint8_t* data, size_t size);

}  // namespace tideway::fuzz

#endif  // TIDEWAY_TESTS_FUZZ_TRANSPORT_WIRES_H_
