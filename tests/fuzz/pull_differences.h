// One fuzz input for what a client does with the answer to a pull by differences.
//
//   byte 0      which codec: an index into the registry's entries, modulo their number
//   bytes 1-2   how many elements, little endian, modulo 4096
//   the rest    the payload of the answer
//
// Shorter inputs are ignored.

#ifndef TIDEWAY_TESTS_FUZZ_PULL_DIFFERENCES_H_
#define TIDEWAY_TESTS_FUZZ_PULL_DIFFERENCES_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace tideway::fuzz {

inline constexpr size_t kPullHeaderBytes = 3;
inline constexpr size_t kPullElementsLimit = 4096;

// Takes the payload on a heap block of exactly the right size, which AddressSanitizer watches. Returns what is wrong, or an
// empty string: the status must be OK, INVALID_ARGUMENT or FAILED_PRECONDITION, and an error leaves the destination as it was and
// no copy.
std::string TakeAnyDifferences(const uint8_t* data, size_t size);

}  // namespace tideway::fuzz

#endif  // TIDEWAY_TESTS_FUZZ_PULL_DIFFERENCES_H_
