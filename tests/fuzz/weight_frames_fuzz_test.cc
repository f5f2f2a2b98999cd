// Drives the fuzz entry point with valid versions, mutated ones, noise, and the committed corpus.

#include "tests/fuzz/weight_frames.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/weight_seeds.h"

namespace tideway::fuzz {
namespace {

Input AnyValid(std::mt19937_64& random) {
  switch (random() % 8) {
    case 0:
      return ValidHeader();
    case 1:
      return ValidWelcome();
    case 2:
    case 3:
      return ValidWhole(random);
    default:
      return ValidChain(1 + random() % 3, random);
  }
}

TEST(WeightFramesFuzz, ValidVersionsAreStagedToTheEnd) {
  std::mt19937_64 random(1);
  int finished = 0;
  for (int round = 0; round < 50; ++round) {
    const Input chain = ValidChain(1 + random() % 3, random);
    ASSERT_EQ(TakeAnyWeights(chain.data(), chain.size(), &finished), "");
    const Input whole = ValidWhole(random);
    ASSERT_EQ(TakeAnyWeights(whole.data(), whole.size(), &finished), "");
  }
  EXPECT_EQ(finished, 100);
}

TEST(WeightFramesFuzz, MutatedVersionsAreWholeOrRefused) {
  const int seed = testing::UnitTest::GetInstance()->random_seed() + 11;
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  for (int round = 0; round < 6000; ++round) {
    Input input = AnyValid(random);
    for (size_t changes = 1 + random() % 4; changes > 0; --changes) Mutate(input, random);
    ASSERT_EQ(TakeAnyWeights(input.data(), input.size()), "")
        << "seed " << seed << " round " << round;
  }
}

TEST(WeightFramesFuzz, NoiseIsRefused) {
  const int seed = testing::UnitTest::GetInstance()->random_seed() + 12;
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  for (int round = 0; round < 20000; ++round) {
    Input input(random() % 80);
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(random());
    if (!input.empty()) input[0] %= 3;
    ASSERT_EQ(TakeAnyWeights(input.data(), input.size()), "")
        << "seed " << seed << " round " << round;
  }
}

TEST(WeightFramesFuzz, TheCorpusHasValidSeedsAndNothingInItGoesWrong) {
  int inputs = 0;
  int finished = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TIDEWAY_FUZZ_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const Input input{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    EXPECT_EQ(TakeAnyWeights(input.data(), input.size(), &finished), "") << entry.path();
    ++inputs;
  }
  EXPECT_GE(inputs, 5);
  EXPECT_GE(finished, 3) << "the seeds no longer fit the format: write_weight_seeds";
}

}  // namespace
}  // namespace tideway::fuzz
