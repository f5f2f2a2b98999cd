// Drives the fuzz entry point with valid answers, mutated ones and noise.

#include <random>
#include <string>
#include <vector>

#include "core/wire/chain_frames.h"
#include "core/wire/difference.h"
#include "gtest/gtest.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/pull_differences.h"
#include "tideway/builtin_codecs.h"

namespace tideway::fuzz {
namespace {

using Bytes = std::vector<uint8_t>;

// A valid row of some differences from a vector of halves, behind the fuzz header.
Bytes ValidInput(size_t which, const Codec& codec, size_t elements, std::mt19937_64& random) {
  std::vector<float> from(elements, 0.5f);
  std::vector<std::vector<std::byte>> links;
  for (size_t count = random() % 4; count > 0; --count) {
    std::vector<float> to = from;
    for (float& value : to) value += static_cast<float>(static_cast<int32_t>(random())) * 0x1p-33f;
    links.push_back(*wire::EncodeDifference(codec, from, to));
    EXPECT_TRUE(wire::ApplyDifference(codec, links.back(), absl::MakeSpan(from)).ok());
  }
  wire::Differences row{.result_hash = wire::HashValues(from)};
  for (const auto& link : links) row.links.push_back(link);
  Bytes input = {static_cast<uint8_t>(which), static_cast<uint8_t>(elements),
                 static_cast<uint8_t>(elements >> 8)};
  for (const std::byte byte : wire::PackDifferences(row)) {
    input.push_back(std::to_integer<uint8_t>(byte));
  }
  return input;
}

TEST(PullDifferencesFuzz, ValidMutatedAndRandomAnswersLeaveACopyOrNone) {
  const int seed = testing::UnitTest::GetInstance()->random_seed() + 9;
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  const CodecRegistry registry = BuiltinCodecs();
  for (size_t which = 0; which < registry.entries().size(); ++which) {
    const auto codec = registry.CreateForWireId(registry.entries()[which].wire_id);
    ASSERT_TRUE(codec.ok());
    for (int round = 0; round < 2000; ++round) {
      Bytes input = ValidInput(which, **codec, random() % 200, random);
      for (size_t changes = random() % 4; changes > 0; --changes) Mutate(input, random);
      ASSERT_EQ(TakeAnyDifferences(input.data(), input.size()), "")
          << "seed " << seed << " codec " << registry.entries()[which].name << " round " << round;
    }
  }
}

TEST(PullDifferencesFuzz, NoiseLeavesACopyOrNone) {
  const int seed = testing::UnitTest::GetInstance()->random_seed() + 10;
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  for (int round = 0; round < 20000; ++round) {
    Bytes input(random() % 64);
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(random());
    // Few links, so that some of the noise gets as far as a codec.
    for (size_t i = 4; i < std::min<size_t>(input.size(), 11); ++i) input[i] = 0;
    if (input.size() > 3) input[3] %= 4;
    ASSERT_EQ(TakeAnyDifferences(input.data(), input.size()), "")
        << "seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace tideway::fuzz
