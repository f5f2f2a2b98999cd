// Bytes from a peer: anything may be in them. Decoding answers with a status and touches only the
// accumulator.

#include <cmath>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/conformance/codec_values.h"

namespace tideway::codec_test {
namespace {

constexpr float kGuard = 12345.75f;
constexpr size_t kGuardElements = 64;

class Hostile : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    codec_ = Make(GetParam());
    ASSERT_NE(codec_, nullptr);
    seed_ = testing::UnitTest::GetInstance()->random_seed() + 1;
    random_.seed(static_cast<uint64_t>(seed_));
    RecordProperty("seed", seed_);
  }

  // Decodes between guards. The input lies in a heap block of exactly its size, which
  // AddressSanitizer watches.
  absl::Status DecodeGuarded(const std::vector<std::byte>& in, size_t elements) {
    const std::vector<std::byte> exact(in.begin(), in.end());
    std::vector<float> room(elements + 2 * kGuardElements, kGuard);
    const auto accumulator = absl::MakeSpan(room).subspan(kGuardElements, elements);
    std::fill(accumulator.begin(), accumulator.end(), 0.0f);
    const absl::Status status = codec_->DecodeAdd(exact, 1.0f, accumulator);
    for (size_t i = 0; i < kGuardElements; ++i) {
      EXPECT_EQ(room[i], kGuard) << "seed " << seed_;
      EXPECT_EQ(room[room.size() - 1 - i], kGuard) << "seed " << seed_;
    }
    if (status.ok()) {
      for (const float value : accumulator) EXPECT_TRUE(std::isfinite(value)) << "seed " << seed_;
    } else {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status << " seed " << seed_;
    }
    return status;
  }

  size_t Below(size_t limit) { return static_cast<size_t>(random_() % limit); }

  std::unique_ptr<Codec> codec_;
  std::mt19937_64 random_;
  int seed_ = 0;
};

INSTANTIATE_TEST_SUITE_P(EveryCodec, Hostile, testing::ValuesIn(AllSpecs()), TestName);

TEST_P(Hostile, EveryTruncationIsRefused) {
  const std::vector<std::byte> bytes = Encode(*codec_, Values(Kind::kNormal, 300, random_));
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::vector<std::byte> cut(bytes.begin(),
                                     bytes.begin() + static_cast<std::ptrdiff_t>(length));
    ASSERT_FALSE(DecodeGuarded(cut, 300).ok()) << length;
  }
}

TEST_P(Hostile, EveryExtensionIsRefused) {
  std::vector<std::byte> bytes = Encode(*codec_, Values(Kind::kNormal, 300, random_));
  for (int extra = 0; extra < 40; ++extra) {
    bytes.push_back(static_cast<std::byte>(random_()));
    ASSERT_FALSE(DecodeGuarded(bytes, 300).ok()) << extra;
  }
}

TEST_P(Hostile, AnotherElementCountIsRefused) {
  const std::vector<std::byte> bytes = Encode(*codec_, Values(Kind::kNormal, 300, random_));
  for (size_t elements = 0; elements < 700; ++elements) {
    ASSERT_EQ(DecodeGuarded(bytes, elements).ok(), elements == 300) << elements;
  }
}

TEST_P(Hostile, EveryBitFlipGivesAStatus) {
  const std::vector<std::byte> bytes = Encode(*codec_, Values(Kind::kNormal, 200, random_));
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::vector<std::byte> flipped = bytes;
    flipped[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    (void)DecodeGuarded(flipped, 200);
  }
}

TEST_P(Hostile, RandomBytesOfTheRightLengthGiveAStatus) {
  for (int round = 0; round < 2000; ++round) {
    const size_t elements = Below(600);
    std::vector<std::byte> bytes = Encode(*codec_, Values(Kind::kZeros, elements, random_));
    // Behind an intact start of random length, so that the checks of each part are reached.
    for (size_t i = Below(bytes.size() + 1); i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::byte>(random_());
    }
    (void)DecodeGuarded(bytes, elements);
  }
}

TEST_P(Hostile, RandomBytesOfAnyLengthGiveAStatus) {
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::byte> bytes(Below(200));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_());
    (void)DecodeGuarded(bytes, Below(200));
  }
}

// A message that is accepted after a flip of its indices still adds each value to one element only.
TEST(HostileTopK, IndicesThatAreNotAscendingOrOutOfRangeAreRefused) {
  const auto codec = Make("topk:density=0.25,values=fp32");
  std::vector<float> accumulator(8, 0.0f);
  std::vector<std::byte> bytes = Encode(*codec, {0.1f, -4, 0, 2, 0, 0, 127, -1});
  const auto refused = [&](size_t at, int value) {
    std::vector<std::byte> changed = bytes;
    changed[at] = static_cast<std::byte>(value);
    return codec->DecodeAdd(changed, 1.0f, absl::MakeSpan(accumulator)).code() ==
           absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused(12, 0x01)) << "one index instead of two";
  EXPECT_TRUE(refused(12, 0x0b)) << "three indices instead of two";
  EXPECT_TRUE(refused(12, 0x81)) << "an index beyond the end";
  EXPECT_TRUE(refused(12, 0x29)) << "a padding bit set among the upper parts";
  EXPECT_TRUE(refused(13, 0x07)) << "a padding bit set among the lower parts";
  bytes[12] = std::byte{0x03};  // both in the same group ...
  EXPECT_TRUE(refused(13, 0x01)) << "... and descending";
  EXPECT_FALSE(refused(13, 0x02)) << "... and ascending";
}

TEST(HostileInt8, ScalesThatNoEncoderWritesAreRefused) {
  const auto codec = Make("int8:block=16");
  std::vector<float> accumulator(5, 0.0f);
  const std::vector<std::byte> bytes = Encode(*codec, {127, -1.5f, 0.5f, 2.5f, -64});
  const auto accepted = [&](uint32_t scale) {
    std::vector<std::byte> changed = bytes;
    for (int i = 0; i < 4; ++i)
      changed[4 + static_cast<size_t>(i)] = static_cast<std::byte>(scale >> 8 * i);
    return codec->DecodeAdd(changed, 1.0f, absl::MakeSpan(accumulator)).ok();
  };
  EXPECT_TRUE(accepted(0x3f800000) && accepted(0) && accepted(0x7c010200) && accepted(0x0a010200));
  EXPECT_FALSE(accepted(0x7f800000)) << "infinity";
  EXPECT_FALSE(accepted(0x7fc00000)) << "NaN";
  EXPECT_FALSE(accepted(0xbf800000)) << "negative";
  EXPECT_FALSE(accepted(0x3f800001)) << "more than 17 significant bits";
  EXPECT_FALSE(accepted(0x7c010280)) << "over the largest";
  EXPECT_FALSE(accepted(0x00000080)) << "denormal";
  std::vector<std::byte> changed = bytes;
  changed[10] = std::byte{0x80};
  EXPECT_FALSE(codec->DecodeAdd(changed, 1.0f, absl::MakeSpan(accumulator)).ok()) << "-128";
}

// The message of `delta` with the byte at `at` replaced.
bool Accepted(const std::string& spec, const std::vector<float>& delta, size_t at, int value) {
  const auto codec = Make(spec);
  std::vector<std::byte> bytes = Encode(*codec, delta);
  bytes[at] = static_cast<std::byte>(value);
  std::vector<float> accumulator(delta.size(), 0.0f);
  const absl::Status status = codec->DecodeAdd(bytes, 1.0f, absl::MakeSpan(accumulator));
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kInvalidArgument) << status;
  return status.ok();
}

TEST(HostileFp16, AShiftOverTheLargestAndWhatIsNotFiniteAreRefused) {
  const std::vector<float> delta = {1.0f, 2.0f};
  EXPECT_TRUE(Accepted("fp16", delta, 0, 112));
  EXPECT_FALSE(Accepted("fp16", delta, 0, 113));
  EXPECT_FALSE(Accepted("fp16", delta, 3, 1)) << "a shift of 2^24";
  EXPECT_TRUE(Accepted("fp16", delta, 5, 0x7b));
  EXPECT_FALSE(Accepted("fp16", delta, 5, 0x7c)) << "infinity";
  EXPECT_FALSE(Accepted("fp16", delta, 7, 0xff)) << "NaN";
}

TEST(HostileInt4, WhatNoEncoderWritesIsRefused) {
  const std::vector<float> delta = {7, -1.5f, 0.5f, 2.5f, -4};
  EXPECT_TRUE(Accepted("int4:block=16", delta, 0, 16));
  EXPECT_FALSE(Accepted("int4:block=16", delta, 0, 17)) << "block 2^17";
  EXPECT_FALSE(Accepted("int4:block=16", delta, 1, 0)) << "an even count";
  EXPECT_FALSE(Accepted("int4:block=16", delta, 4, 1)) << "a scale of more than 17 bits";
  EXPECT_FALSE(Accepted("int4:block=16", delta, 7, 0xbf)) << "a negative scale";
  EXPECT_FALSE(Accepted("int4:block=16", delta, 8, 0x18)) << "-8 below";
  EXPECT_FALSE(Accepted("int4:block=16", delta, 8, 0x81)) << "-8 above";
  EXPECT_FALSE(Accepted("int4:block=16", delta, 10, 0x1c)) << "a value behind the last element";
}

TEST(HostileSign, WhatNoEncoderWritesIsRefused) {
  const std::vector<float> delta = {1, -2, 0.5f, 0.5f, -1};
  EXPECT_FALSE(Accepted("sign:block=16", delta, 0, 3)) << "block 2^3";
  EXPECT_FALSE(Accepted("sign:block=16", delta, 1, 6)) << "six elements";
  EXPECT_FALSE(Accepted("sign:block=16", delta, 7, 0xbf)) << "a negative scale";
  EXPECT_FALSE(Accepted("sign:block=16", delta, 7, 0x7f)) << "a NaN or infinite scale";
  EXPECT_TRUE(Accepted("sign:block=16", delta, 8, 0x1f));
  EXPECT_FALSE(Accepted("sign:block=16", delta, 8, 0x3f)) << "a bit behind the last element";
}

}  // namespace
}  // namespace tideway::codec_test
