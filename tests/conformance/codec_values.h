// What the codec suites share: the specs they go over, seeded vectors of every awkward kind, and
// small helpers.

#ifndef TIDEWAY_TESTS_CONFORMANCE_CODEC_VALUES_H_
#define TIDEWAY_TESTS_CONFORMANCE_CODEC_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tideway/builtin_codecs.h"
#include "tideway/codec.h"

namespace tideway::codec_test {

// Each codec of codecs.def by its bare name, a wrapper around several; then with parameters.
std::vector<std::string> AllSpecs();

// The spec as a part of a test's name.
std::string TestName(const testing::TestParamInfo<std::string>& param);

// The codec, or a failed test and null.
std::unique_ptr<Codec> Make(const std::string& spec);
std::unique_ptr<Codec> MakeDecoder(uint8_t wire_id);

enum class Kind { kNormal, kZeros, kEqual, kDenormal, kHuge, kAnyExponent, kSpike, kSmallBlock };
inline constexpr Kind kKinds[] = {Kind::kNormal,   Kind::kZeros,     Kind::kEqual,
                                  Kind::kDenormal, Kind::kHuge,      Kind::kAnyExponent,
                                  Kind::kSpike,    Kind::kSmallBlock};

// Finite values, the same for the same generator state on every machine.
std::vector<float> Values(Kind kind, size_t elements, std::mt19937_64& random);

// Encodes into exactly Bound() bytes of heap and cuts to what was written. Fails the test on an
// error.
std::vector<std::byte> Encode(const Codec& codec, const std::vector<float>& delta,
                              std::vector<float>* residual = nullptr, float decay = 1.0f);

// Decoded into zeros with scale 1. Fails the test on an error.
std::vector<float> Decode(const Codec& codec, const std::vector<std::byte>& in, size_t elements);

}  // namespace tideway::codec_test

#endif  // TIDEWAY_TESTS_CONFORMANCE_CODEC_VALUES_H_
