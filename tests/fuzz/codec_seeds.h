// Valid inputs of the codec fuzzer (codec_decode.h): what mutation starts from.

#ifndef TIDEWAY_TESTS_FUZZ_CODEC_SEEDS_H_
#define TIDEWAY_TESTS_FUZZ_CODEC_SEEDS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "tideway/codec.h"

namespace tideway::fuzz {

using Bytes = std::vector<uint8_t>;

// The codecs of the registry with default parameters, and each wrapper around each of them.
std::vector<std::unique_ptr<Codec>> Encoders();

// An encoding of random values, of which some or most are zero.
Bytes ValidInput(const Codec& codec, size_t elements, std::mt19937_64& random);

// A difference between two random versions of which some or most words are the same.
Bytes ValidDifference(const VersionDifference& difference, size_t word_bytes, size_t elements,
                      std::mt19937_64& random);

}  // namespace tideway::fuzz

#endif  // TIDEWAY_TESTS_FUZZ_CODEC_SEEDS_H_
