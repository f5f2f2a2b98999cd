// One fuzz input for what a subscriber does with what a publisher sends.
//
//   byte 0    what follows: 0: a frame's header; 1: the payload of a welcome; anything else: a version, as frames
//
// A version is for a small model of two tensors (bf16, fp32), whose version 7 of epoch 1 is in use. Its frames:
//
//   byte 0    type, modulo 3: version, changes, whole
//   byte 1    from
//   byte 2    to
//   byte 3    low four bits: tensor; high four bits: chunk
//   byte 4-5  count (version), little endian
//   byte 6-7  bytes of payload that follow, little endian; no more than there are

#ifndef TIDEWAY_TESTS_FUZZ_WEIGHT_FRAMES_H_
#define TIDEWAY_TESTS_FUZZ_WEIGHT_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace tideway::fuzz {

inline constexpr size_t kWeightFrameHeadBytes = 8;
inline constexpr uint64_t kWeightsInUse = 7;

// Each payload lies on a heap block of exactly the right size, which AddressSanitizer watches. Returns what is wrong, or an empty
// string: statuses must be OK, INVALID_ARGUMENT or DATA_LOSS; the version in use must stay what it is; and what is staged to the
// end must have the checksums that were announced. `finished`, if given, counts versions that were.
std::string TakeAnyWeights(const uint8_t* data, size_t size, int* finished = nullptr);

}  // namespace tideway::fuzz

#endif  // TIDEWAY_TESTS_FUZZ_WEIGHT_FRAMES_H_
