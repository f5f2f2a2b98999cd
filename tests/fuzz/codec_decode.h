// One fuzz input for the whole registry of codecs.
//
//   byte 0      which codec: an index into the registry's entries, modulo their number
//   bytes 1-2   how many elements, little endian, modulo 4096
//   the rest    what DecodeAdd is given
//
// Shorter inputs are ignored.

#ifndef TIDEWAY_TESTS_FUZZ_CODEC_DECODE_H_
#define TIDEWAY_TESTS_FUZZ_CODEC_DECODE_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace tideway::fuzz {

inline constexpr size_t kInputHeaderBytes = 3;
inline constexpr size_t kElementsLimit = 4096;

// Decodes into heap blocks of exactly the right sizes, which AddressSanitizer watches. Returns what
// is wrong, or an empty string: the status must be OK or INVALID_ARGUMENT, and what an OK leaves
// must be finite.
std::string DecodeAny(const uint8_t* data, size_t size);

}  // namespace tideway::fuzz

#endif  // TIDEWAY_TESTS_FUZZ_CODEC_DECODE_H_
