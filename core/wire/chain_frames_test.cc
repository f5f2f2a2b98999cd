// The row of differences in a pull's answer: what is packed is read, and what is hostile is refused.

#include "core/wire/chain_frames.h"

#include <cstring>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::wire {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Bytes = std::vector<std::byte>;

Bytes BytesOf(const std::string& text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return Bytes(begin, begin + text.size());
}

Bytes Example() {
  const Bytes first = BytesOf("abc");
  const Bytes second = BytesOf("defgh");
  return PackDifferences({.result_hash = 0x1122334455667788, .links = {first, second}});
}

std::string Hex(const Bytes& bytes) {
  std::string hex;
  for (const std::byte byte : bytes) {
    absl::StrAppend(&hex, absl::Hex(std::to_integer<int>(byte), absl::kZeroPad2));
  }
  return hex;
}

TEST(ChainFrames, TheBytesAreThoseOfTheWorkedExampleInTheDocumentation) {
  EXPECT_EQ(Hex(Example()),
            "0200000000000000"
            "8877665544332211"
            "0300000005000000"
            "6162636465666768");
}

TEST(ChainFrames, WhatIsPackedIsReadInOrder) {
  const Bytes payload = Example();
  const auto read = ReadDifferences(payload);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->result_hash, 0x1122334455667788u);
  ASSERT_THAT(read->links, SizeIs(2));
  EXPECT_EQ(Bytes(read->links[0].begin(), read->links[0].end()), BytesOf("abc"));
  EXPECT_EQ(Bytes(read->links[1].begin(), read->links[1].end()), BytesOf("defgh"));
}

TEST(ChainFrames, NoDifferenceAtAllIsAnAnswerToo) {
  const Bytes payload = PackDifferences({.result_hash = 7});
  EXPECT_THAT(payload, SizeIs(DifferencesBytes(0, 0)));
  const auto read = ReadDifferences(payload);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->links, IsEmpty());
}

TEST(ChainFrames, EveryOtherLengthIsRefused) {
  Bytes longer = Example();
  longer.push_back(std::byte{0});
  EXPECT_THAT(std::string(ReadDifferences(longer).status().message()), HasSubstr("1 bytes follow"));
  for (size_t length = 0; length < Example().size(); ++length) {
    Bytes cut = Example();
    cut.resize(length);
    EXPECT_TRUE(absl::IsInvalidArgument(ReadDifferences(cut).status())) << length;
  }
}

TEST(ChainFrames, MoreDifferencesThanAServerKeepsAreRefusedWhateverTheyAre) {
  Bytes payload(DifferencesBytes(kChainLinksMax + 1, 0));
  payload[0] = static_cast<std::byte>(kChainLinksMax);
  EXPECT_FALSE(ReadDifferences(payload).ok()) << "a length too many";
  payload[0] = static_cast<std::byte>(kChainLinksMax + 1);
  EXPECT_THAT(std::string(ReadDifferences(payload).status().message()), HasSubstr("65 of them"));
  std::memset(payload.data(), 0xff, 4);
  EXPECT_FALSE(ReadDifferences(payload).ok());
}

TEST(ChainFrames, TheReservedFieldMustBeZero) {
  Bytes payload = Example();
  payload[5] = std::byte{1};
  EXPECT_FALSE(ReadDifferences(payload).ok());
}

TEST(ChainFrames, WhateverIsReadLiesInsideThePayload) {
  const int seed = ::testing::UnitTest::GetInstance()->random_seed() + 3;
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    Bytes payload = Example();
    for (size_t changes = 1 + random() % 3; changes > 0; --changes) {
      payload[random() % payload.size()] ^= static_cast<std::byte>(1u << (random() % 8));
    }
    const auto read = ReadDifferences(payload);
    if (!read.ok()) continue;
    ++accepted;
    size_t bytes = DifferencesBytes(read->links.size(), 0);
    for (const auto& link : read->links) {
      EXPECT_EQ(link.data(), payload.data() + bytes) << "seed " << seed << " round " << round;
      bytes += link.size();
    }
    EXPECT_EQ(bytes, payload.size()) << "seed " << seed << " round " << round;
  }
  EXPECT_GT(accepted, 100) << "the changes must not always be noticed, or nothing was shown";
}

TEST(ChainFrames, PositionsSurviveTheHeader) {
  FrameHeader pull;
  SetHeld({5, 9}, pull);
  EXPECT_EQ(HeldOf(pull), (ChainPosition{5, 9}));
  FrameHeader reply;
  SetReached({5, 12}, reply);
  SetStart(9, reply);
  EXPECT_EQ(ReachedOf(reply), (ChainPosition{5, 12}));
  EXPECT_EQ(StartOf(reply), HeldOf(pull));
  EXPECT_TRUE(HeldOf(FrameHeader()).none());
}

}  // namespace
}  // namespace tideway::wire
