// One fuzz input for the whole registry of codecs.
//
//   byte 0      which codec: a wire id of the registry; 255: the version difference of 2-byte words, 254: of 4-byte words;
//               else an index into the registry's entries, modulo their number
//   bytes 1-2   how many elements, little endian, modulo 4096
//   the rest    what DecodeAdd or Apply is given
//
// Shorter inputs are ignored. Seeds name their codec by its wire id, so that they stay seeds of it for ever.

#ifndef TIDEWAY_TESTS_FUZZ_CODEC_DECODE_H_
#define TIDEWAY_TESTS_FUZZ_CODEC_DECODE_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace tideway::fuzz {

inline constexpr size_t kInputHeaderBytes = 3;
inline constexpr uint8_t kDifferenceOf2Bytes = 255;
inline constexpr uint8_t kDifferenceOf4Bytes = 254;
inline constexpr size_t kElementsLimit = 4096;

// Decodes into heap blocks of exactly the right sizes, which AddressSanitizer watches. Returns what
// is wrong, or an empty string: the status must be OK or INVALID_ARGUMENT; what an OK of a codec leaves
// must be finite; and a version whose difference is refused must be as it was.
std::string DecodeAny(const uint8_t* data, size_t size);

}  // namespace tideway::fuzz

#endif  // TIDEWAY_TESTS_FUZZ_CODEC_DECODE_H_
