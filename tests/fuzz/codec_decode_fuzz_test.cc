// Drives the fuzz entry point with valid encodings, mutated ones and noise.

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fuzz/codec_decode.h"
#include "tideway/builtin_codecs.h"

namespace tideway::fuzz {
namespace {

using Bytes = std::vector<uint8_t>;

// A valid encoding of random values behind the fuzz header.
Bytes ValidInput(size_t which, const Codec& codec, size_t elements, std::mt19937_64& random) {
  std::vector<float> delta(elements);
  for (float& value : delta) value = static_cast<float>(static_cast<int32_t>(random())) * 0x1p-31f;
  std::vector<std::byte> out(codec.Bound(elements));
  const auto bytes = codec.Encode(delta, {}, {}, absl::MakeSpan(out));
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  Bytes input = {static_cast<uint8_t>(which), static_cast<uint8_t>(elements),
                 static_cast<uint8_t>(elements >> 8)};
  for (size_t i = 0; i < *bytes; ++i) input.push_back(std::to_integer<uint8_t>(out[i]));
  return input;
}

// One small change: a bit, a byte, a cut, an insertion.
void Mutate(Bytes& input, std::mt19937_64& random) {
  if (input.empty()) return;
  const size_t at = random() % input.size();
  switch (random() % 4) {
    case 0:
      input[at] ^= static_cast<uint8_t>(1u << (random() % 8));
      return;
    case 1:
      input[at] = static_cast<uint8_t>(random());
      return;
    case 2:
      input.resize(at);
      return;
    default:
      input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), static_cast<uint8_t>(random()));
  }
}

TEST(CodecDecodeFuzz, ValidMutatedAndRandomInputsGiveAStatusAndFiniteValues) {
  const int seed = testing::UnitTest::GetInstance()->random_seed() + 7;
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  const CodecRegistry registry = BuiltinCodecs();
  for (size_t which = 0; which < registry.entries().size(); ++which) {
    const auto codec = registry.CreateForWireId(registry.entries()[which].wire_id);
    ASSERT_TRUE(codec.ok());
    for (int round = 0; round < 3000; ++round) {
      Bytes input = ValidInput(which, **codec, random() % 300, random);
      for (size_t changes = random() % 5; changes > 0; --changes) Mutate(input, random);
      ASSERT_EQ(DecodeAny(input.data(), input.size()), "")
          << "seed " << seed << " codec " << registry.entries()[which].name << " round " << round;
    }
  }
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
