// Drives the fuzz entry point with valid encodings, mutated ones and noise.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fuzz/codec_decode.h"
#include "tests/fuzz/codec_seeds.h"
#include "tests/fuzz/mutate.h"
#include "tideway/builtin_codecs.h"

namespace tideway::fuzz {
namespace {

TEST(CodecDecodeFuzz, ValidMutatedAndRandomInputsGiveAStatusAndFiniteValues) {
  const int seed = testing::UnitTest::GetInstance()->random_seed() + 7;
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  for (const auto& codec : Encoders()) {
    for (int round = 0; round < 2000; ++round) {
      Bytes input = ValidInput(*codec, random() % 300, random);
      for (size_t changes = random() % 5; changes > 0; --changes) Mutate(input, random);
      ASSERT_EQ(DecodeAny(input.data(), input.size()), "")
          << "seed " << seed << " codec " << codec->info().spec << " round " << round;
    }
  }
}

TEST(CodecDecodeFuzz, ValidAndMutatedDifferencesGiveAStatusAndLeaveNoMarkWhereRefused) {
  const int seed = testing::UnitTest::GetInstance()->random_seed() + 9;
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  const auto codec = BuiltinCodecs().Create("sparse_lossless");
  ASSERT_TRUE(codec.ok());
  for (int round = 0; round < 6000; ++round) {
    Bytes input = ValidDifference(*(*codec)->version_difference(), round % 2 == 0 ? 2 : 4,
                                  random() % 300, random);
    for (size_t changes = random() % 5; changes > 0; --changes) Mutate(input, random);
    ASSERT_EQ(DecodeAny(input.data(), input.size()), "") << "seed " << seed << " round " << round;
  }
}

// The seeds that libFuzzer starts from, and what it has found since.
TEST(CodecDecodeFuzz, TheCorpusGivesAStatusAndFiniteValues) {
  std::set<uint8_t> covered;
  for (const auto& file : std::filesystem::directory_iterator(TIDEWAY_FUZZ_CORPUS)) {
    std::ifstream stream(file.path(), std::ios::binary);
    const Bytes input{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    ASSERT_FALSE(input.empty()) << file.path();
    covered.insert(input[0]);
    EXPECT_EQ(DecodeAny(input.data(), input.size()), "") << file.path();
  }
  const CodecRegistry registry = BuiltinCodecs();
  for (const CodecEntry& entry : registry.entries()) {
    EXPECT_EQ(covered.count(entry.wire_id), 1u)
        << "no file of the corpus begins with the wire id of " << entry.name
        << "; write_codec_seeds makes one";
  }
  EXPECT_EQ(covered.count(kDifferenceOf2Bytes), 1u);
  EXPECT_EQ(covered.count(kDifferenceOf4Bytes), 1u);
}

TEST(CodecDecodeFuzz, NoiseGivesAStatusAndFiniteValues) {
  const int seed = testing::UnitTest::GetInstance()->random_seed() + 8;
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  for (int round = 0; round < 20000; ++round) {
    Bytes input(random() % 64);
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(random());
    if (input.size() > 2) input[2] = 0;
    ASSERT_EQ(DecodeAny(input.data(), input.size()), "") << "seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace tideway::fuzz
