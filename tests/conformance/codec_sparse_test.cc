// What is special to the sparse codecs beyond codec_parameters_test.cc: chunks, values of few bits,
// places that are not sent.

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/conformance/codec_values.h"

namespace tideway::codec_test {
namespace {

std::vector<size_t> PlacesThatAreNotZero(const std::vector<float>& values) {
  std::vector<size_t> places;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0.0f) places.push_back(i);
  }
  return places;
}

double Magnitude(float value) { return std::fabs(static_cast<double>(value)); }

// Decoding `bytes` with one byte changed.
absl::Status Changed(const Codec& codec, std::vector<std::byte> bytes, size_t at, int value,
                     size_t elements) {
  bytes[at] = static_cast<std::byte>(value);
  std::vector<float> accumulator(elements, 0.0f);
  return codec.DecodeAdd(bytes, 1.0f, absl::MakeSpan(accumulator));
}

// --- chunks

TEST(TopKChunks, EachChunkSendsItsOwnLargestAndAShortOneInProportion) {
  const auto codec = Make("topk:chunk=256,density=0.015625,values=fp32");  // 4 of 256
  std::vector<float> delta(256 + 100);
  for (size_t i = 0; i < delta.size(); ++i) {
    delta[i] = (i < 256 ? 1.0f : 1000.0f) + static_cast<float>(i % 256) / 1024;
  }
  // Of the short chunk: 4 * 100 / 256, rounded up.
  EXPECT_EQ(PlacesThatAreNotZero(Decode(*codec, Encode(*codec, delta), delta.size())),
            (std::vector<size_t>{252, 253, 254, 255, 354, 355}));
}

TEST(TopKChunks, AmongEqualsTheLowerIndexOfEachChunkGoes) {
  const auto codec = Make("topk:chunk=256,density=0.0078125,values=fp32");  // 2 of 256
  const std::vector<float> delta(600, 0.5f);
  EXPECT_EQ(PlacesThatAreNotZero(Decode(*codec, Encode(*codec, delta), delta.size())),
            (std::vector<size_t>{0, 1, 256, 257, 512}));
}

TEST(TopKChunks, InSparseLoCosFormAnElementCostsLessThanAQuarterBit) {
  const auto codec = Make("topk:chunk=4096,density=0.015625,values=int2,block=64");
  std::mt19937_64 random(8);
  const std::vector<float> delta = Values(Kind::kNormal, 1 << 20, random);
  // 64 of 4096: 12 bits of index, 2 of value, and 32 of scales for all 64.
  EXPECT_EQ(Encode(*codec, delta).size(), 12u + (1 << 8) * (64 * (12 + 2) + 32) / 8);
}

TEST(TopKChunks, PlacesThatDoNotAscendOrLieOutsideTheirChunkAreRefused) {
  const auto codec = Make("topk:chunk=256,density=0.25,values=fp32");
  std::vector<float> delta(8, 0.0f);
  delta[1] = -4;
  delta[6] = 7;
  const std::vector<std::byte> bytes = Encode(*codec, delta);
  ASSERT_EQ(bytes.size(), 12u + 2 + 8);
  const auto ok = [&](size_t at, int value) { return Changed(*codec, bytes, at, value, 8).ok(); };
  EXPECT_TRUE(ok(12, 5)) << "another place below";
  EXPECT_TRUE(ok(13, 7)) << "the last place";
  EXPECT_FALSE(ok(12, 6)) << "twice the same place";
  EXPECT_FALSE(ok(12, 7)) << "descending";
  EXPECT_FALSE(ok(13, 8)) << "behind the end of a short chunk";
  EXPECT_FALSE(ok(2, 7)) << "a chunk of 128";
  EXPECT_FALSE(ok(2, 17)) << "a chunk of 131072";
  EXPECT_FALSE(ok(3, 1)) << "reserved bits";
  EXPECT_FALSE(ok(9, 2)) << "more of each chunk than it has";
}

// --- values of few bits

struct ErrorBound {
  const char* spec;
  double of_largest;  // of a block's largest magnitude
};

TEST(FewBitValues, TheErrorStaysWithinThePartOfTheLargestThatTheSpecNames) {
  for (const ErrorBound& bound : {ErrorBound{"int4", 1.0 / 13.9}, ErrorBound{"int2", 0.51}}) {
    const auto codec = Make(absl::StrCat("topk:density=1,block=64,values=", bound.spec));
    std::mt19937_64 random(9);
    for (const Kind kind : kKinds) {
      const std::vector<float> delta = Values(kind, 4003, random);
      const std::vector<float> decoded = Decode(*codec, Encode(*codec, delta), delta.size());
      for (size_t first = 0; first < delta.size(); first += 64) {
        double largest = 0, error = 0;
        for (size_t i = first; i < std::min(first + 64, delta.size()); ++i) {
          largest = std::max(largest, Magnitude(delta[i]));
          error = std::max(
              error, std::fabs(static_cast<double>(decoded[i]) - static_cast<double>(delta[i])));
        }
        ASSERT_LE(error, largest < 0x1p-100 ? largest : largest * bound.of_largest)
            << bound.spec << ", block at " << first << ", kind " << static_cast<int>(kind);
      }
    }
  }
}

TEST(FewBitValues, TwoBitsStandForTheMeansOfTheLowerAndTheUpperHalf) {
  const auto codec = Make("topk:density=1,values=int2,block=16");
  const std::vector<float> delta = {1.0f, -1.5f, 2.0f, -6.0f, 8.0f, 10.0f};
  EXPECT_EQ(Decode(*codec, Encode(*codec, delta), delta.size()),
            (std::vector<float>{1.5f, -1.5f, 1.5f, -8.0f, 8.0f, 8.0f}));
}

TEST(FewBitValues, ALowerLevelThatWouldNotLeaveAnExactResidualIsZero) {
  const auto codec = Make("topk:density=1,values=int2,block=16");
  const std::vector<float> delta = {0x1.8p-60f, 1.0f, 0x1.fffffep+3f};
  std::vector<float> residual(delta.size(), 0.0f);
  const std::vector<float> decoded = Decode(*codec, Encode(*codec, delta, &residual), delta.size());
  EXPECT_EQ(decoded[0], 0.0f);
  for (size_t i = 0; i < delta.size(); ++i) {
    EXPECT_EQ(static_cast<double>(decoded[i]) + static_cast<double>(residual[i]),
              static_cast<double>(delta[i]));
  }
}

TEST(FewBitValues, ScalesLevelsAndValuesThatNoEncoderWritesAreRefused) {
  const std::vector<float> delta = {-4, 7};
  const auto int4 = Make("topk:density=1,values=int4,block=16");
  const std::vector<std::byte> four = Encode(*int4, delta);
  const auto int2 = Make("topk:density=1,values=int2,block=16");
  const std::vector<std::byte> two = Encode(*int2, delta);
  ASSERT_EQ(four.size(), 12u + 1 + 4 + 1);
  ASSERT_EQ(two.size(), 12u + 1 + 4 + 1);
  EXPECT_TRUE(Changed(*int4, four, 17, 0x99, 2).ok()) << "-7";
  EXPECT_FALSE(Changed(*int4, four, 17, 0x98, 2).ok()) << "-8";
  EXPECT_FALSE(Changed(*int4, four, 16, 0x7f, 2).ok()) << "a scale over the largest";
  EXPECT_FALSE(Changed(*int4, four, 13, 0x01, 2).ok()) << "more than 17 significant bits";
  EXPECT_TRUE(Changed(*int2, two, 17, 0x0f, 2).ok()) << "other levels and signs";
  EXPECT_FALSE(Changed(*int2, two, 17, 0x16, 2).ok()) << "a padding bit";
  EXPECT_FALSE(Changed(*int2, two, 16, 0x7f, 2).ok()) << "a level that is no number";
  EXPECT_FALSE(Changed(*int2, two, 14, 0x42, 2).ok()) << "a lower level above the higher";
  EXPECT_FALSE(Changed(*int2, two, 14, 0x20, 2).ok()) << "a lower level far below the higher";
}

// --- randomk

TEST(RandomK, OverSuccessivePushesOfOneDeltaEveryElementGetsItsTurn) {
  const auto codec = Make("randomk:density=0.25,values=fp32");
  const std::vector<float> delta(64, 1.0f);
  std::vector<float> residual(64, 0.0f), applied(64, 0.0f);
  std::set<std::vector<size_t>> choices;
  constexpr int kPushes = 40;
  for (int push = 0; push < kPushes; ++push) {
    const std::vector<std::byte> bytes = Encode(*codec, delta, &residual);
    ASSERT_TRUE(codec->DecodeAdd(bytes, 1.0f, absl::MakeSpan(applied)).ok());
    choices.insert(PlacesThatAreNotZero(Decode(*codec, bytes, 64)));
  }
  EXPECT_EQ(choices.size(), static_cast<size_t>(kPushes)) << "some push chose as another did";
  for (size_t i = 0; i < 64; ++i) {
    EXPECT_GT(applied[i], 0.0f) << i;
    EXPECT_EQ(applied[i] + residual[i], static_cast<float>(kPushes)) << i;
  }
}

TEST(RandomK, EveryPlaceIsChosenAboutAsOften) {
  constexpr size_t kElements = 103;  // strata of two lengths
  constexpr int kPushes = 20000;
  const auto codec = Make("randomk:density=0.1,values=fp32");
  std::mt19937_64 random(11);
  std::vector<int> chosen(kElements, 0);
  for (int push = 0; push < kPushes; ++push) {
    std::vector<float> delta(kElements, 1.0f);
    delta[0] += static_cast<float>(push);
    for (const size_t i : PlacesThatAreNotZero(Decode(*codec, Encode(*codec, delta), kElements))) {
      ++chosen[i];
    }
  }
  // Of 10 strata three have 11 elements and seven have 10; five standard deviations.
  for (const int count : chosen) {
    EXPECT_GT(count, kPushes / 11 - 5 * 41);
    EXPECT_LT(count, kPushes / 10 + 5 * 43);
  }
}

TEST(RandomK, AnotherSeedChoosesOtherPlacesAndAnyInstanceDecodesThem) {
  const auto one = Make("randomk:density=0.05,values=fp32,seed=1");
  const auto two = Make("randomk:density=0.05,values=fp32,seed=2");
  const std::vector<float> delta(1000, 1.0f);
  const std::vector<float> first = Decode(*two, Encode(*one, delta), delta.size());
  EXPECT_EQ(PlacesThatAreNotZero(first).size(), 50u);
  EXPECT_NE(first, Decode(*one, Encode(*two, delta), delta.size()));
}

TEST(RandomK, WhateverTheSeedInAMessageEachPlaceLiesInItsStratum) {
  const auto codec = Make("randomk:density=0.1,values=fp32");
  std::vector<std::byte> bytes = Encode(*codec, std::vector<float>(95, 1.0f));
  std::mt19937_64 random(12);
  for (int round = 0; round < 1000; ++round) {
    for (size_t at = 12; at < 20; ++at) bytes[at] = static_cast<std::byte>(random());
    const std::vector<size_t> places = PlacesThatAreNotZero(Decode(*codec, bytes, 95));
    ASSERT_EQ(places.size(), 10u);
    for (size_t rank = 0; rank < 10; ++rank) {
      ASSERT_GE(places[rank], rank * 95 / 10);
      ASSERT_LT(places[rank], (rank + 1) * 95 / 10);
    }
  }
}

TEST(RandomK, ParametersOutOfRangeAreRefused) {
  for (const char* bad : {"randomk:density=0", "randomk:seed=-1", "randomk:seed=x",
                          "randomk:values=int3", "randomk:values=bf16,block=64"}) {
    EXPECT_EQ(BuiltinCodecs().Create(bad).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
  EXPECT_EQ(Make("randomk")->info().spec, "randomk:block=256,density=0.01,seed=0,values=int8");
  EXPECT_FALSE(Make("randomk")->info().dense);
}

}  // namespace
}  // namespace tideway::codec_test
