// What is special to one codec: its parameters, its error bound, its ratio; and the registry.

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/conformance/codec_values.h"

namespace tideway::codec_test {
namespace {

double Ratio(const Codec& codec, const std::vector<float>& delta) {
  return static_cast<double>(delta.size() * sizeof(float)) /
         static_cast<double>(Encode(codec, delta).size());
}

double Magnitude(float value) { return std::fabs(static_cast<double>(value)); }

TEST(Bf16, TheErrorIsAtMostOnePartIn256) {
  const auto codec = Make("bf16");
  std::mt19937_64 random(1);
  for (const Kind kind : kKinds) {
    const std::vector<float> delta = Values(kind, 4000, random);
    const std::vector<float> decoded = Decode(*codec, Encode(*codec, delta), delta.size());
    for (size_t i = 0; i < delta.size(); ++i) {
      const double error =
          std::fabs(static_cast<double>(decoded[i]) - static_cast<double>(delta[i]));
      ASSERT_LE(error, std::max(0x1p-8 * Magnitude(delta[i]), 0x1p-134)) << delta[i];
    }
  }
}

TEST(Bf16, RoundsTiesToEvenAndSaturatesInsteadOfOverflowing) {
  const auto codec = Make("bf16");
  const std::vector<float> delta = {1.0f + 0x1p-8f, 1.0f + 0x3p-8f, -(1.0f + 0x1p-8f), FLT_MAX,
                                    -FLT_MAX};
  const float largest = std::bit_cast<float>(0x7f7f0000u);
  EXPECT_EQ(Decode(*codec, Encode(*codec, delta), delta.size()),
            (std::vector<float>{1.0f, 1.0f + 0x4p-8f, -1.0f, largest, -largest}));
}

TEST(Int8, TheErrorIsAtMostABlocksLargestMagnitudeOver253) {
  std::mt19937_64 random(2);
  for (const size_t block : {size_t{16}, size_t{256}, size_t{4096}}) {
    const auto codec = Make(absl::StrCat("int8:block=", block));
    for (const Kind kind : kKinds) {
      const std::vector<float> delta = Values(kind, 5003, random);
      const std::vector<float> decoded = Decode(*codec, Encode(*codec, delta), delta.size());
      for (size_t first = 0; first < delta.size(); first += block) {
        const size_t last = std::min(first + block, delta.size());
        double largest = 0, error = 0;
        for (size_t i = first; i < last; ++i) {
          largest = std::max(largest, Magnitude(delta[i]));
          error = std::max(
              error, std::fabs(static_cast<double>(decoded[i]) - static_cast<double>(delta[i])));
        }
        ASSERT_LE(error, largest < 0x1p-100 ? largest : largest / 253) << "block at " << first;
      }
    }
  }
}

TEST(Int8, AtBlock256TheRatioIsAtLeast3Point8) {
  const auto codec = Make("int8:block=256");
  std::mt19937_64 random(3);
  for (const size_t elements : {1000u, 20000u, 262144u}) {
    EXPECT_GE(Ratio(*codec, Values(Kind::kNormal, elements, random)), 3.8) << elements;
  }
}

TEST(Int8, TheBlockMustBeAPowerOfTwoInRange) {
  for (const char* bad :
       {"int8:block=8", "int8:block=131072", "int8:block=300", "int8:block=x", "int8:block="}) {
    const auto codec = BuiltinCodecs().Create(bad);
    EXPECT_EQ(codec.status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_TRUE(
      absl::StrContains(BuiltinCodecs().Create("int8:block=300").status().message(), "512"));
  EXPECT_EQ(Make("int8")->info().spec, "int8:block=256");
}

TEST(Int8, StochasticRoundingHasASeedAndRoundingToNearestHasNone) {
  EXPECT_EQ(Make("int8:rounding=stochastic")->info().spec,
            "int8:block=256,rounding=stochastic,seed=0");
  EXPECT_EQ(Make("int8:seed=9,rounding=stochastic,block=64")->info().spec,
            "int8:block=64,rounding=stochastic,seed=9");
  EXPECT_EQ(Make("int8:rounding=nearest")->info().spec, "int8:block=256");
  for (const char* bad : {"int8:seed=1", "int8:rounding=nearest,seed=1", "int8:rounding=up",
                          "int8:rounding=stochastic,seed=-1", "int8:rounding=stochastic,seed=x"}) {
    EXPECT_EQ(BuiltinCodecs().Create(bad).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
}

// --- fp16, int4, sign
// ------------------------------------------------------------------------------

TEST(Fp16, TheErrorIsAtMostOnePartIn2048) {
  const auto codec = Make("fp16");
  std::mt19937_64 random(11);
  for (const Kind kind : kKinds) {
    const std::vector<float> delta = Values(kind, 4000, random);
    double largest = 0;
    for (const float value : delta) largest = std::max(largest, Magnitude(value));
    // The grid of the denormal halves, which is coarser where the values are shifted.
    const double shift = std::max(0.0, std::floor(std::log2(largest)) - 15);
    const double floor = largest == 0 ? 0 : std::ldexp(0x1p-25, static_cast<int>(shift));
    const std::vector<float> decoded = Decode(*codec, Encode(*codec, delta), delta.size());
    for (size_t i = 0; i < delta.size(); ++i) {
      const double error =
          std::fabs(static_cast<double>(decoded[i]) - static_cast<double>(delta[i]));
      ASSERT_LE(error, std::max(0x1p-11 * Magnitude(delta[i]), floor)) << delta[i];
    }
  }
}

TEST(Int4, TheErrorIsAtMostABlocksLargestMagnitudeOver13) {
  std::mt19937_64 random(12);
  const size_t block = 64;
  const auto codec = Make("int4:block=64");
  for (const Kind kind : kKinds) {
    const std::vector<float> delta = Values(kind, 5003, random);
    const std::vector<float> decoded = Decode(*codec, Encode(*codec, delta), delta.size());
    for (size_t first = 0; first < delta.size(); first += block) {
      double largest = 0, error = 0;
      for (size_t i = first; i < std::min(first + block, delta.size()); ++i) {
        largest = std::max(largest, Magnitude(delta[i]));
        error = std::max(
            error, std::fabs(static_cast<double>(decoded[i]) - static_cast<double>(delta[i])));
      }
      ASSERT_LE(error, largest < 0x1p-100 ? largest : largest / 13) << "block at " << first;
    }
  }
}

TEST(Sign, TheScaleIsABlocksMeanMagnitude) {
  std::mt19937_64 random(13);
  const auto codec = Make("sign:block=256");
  for (const Kind kind : kKinds) {
    const std::vector<float> delta = Values(kind, 5003, random);
    const std::vector<float> decoded = Decode(*codec, Encode(*codec, delta), delta.size());
    for (size_t first = 0; first < delta.size(); first += 256) {
      const size_t last = std::min(first + 256, delta.size());
      double sum = 0, largest = 0;
      for (size_t i = first; i < last; ++i) {
        sum += Magnitude(delta[i]);
        largest = std::max(largest, Magnitude(delta[i]));
      }
      const double expected = largest < 0x1p-100 ? 0 : sum / static_cast<double>(last - first);
      for (size_t i = first; i < last; ++i) {
        ASSERT_NEAR(Magnitude(decoded[i]), expected, largest * 0x1p-14) << i;
        ASSERT_TRUE(expected == 0 || (decoded[i] < 0) == (delta[i] < 0)) << i;
      }
    }
  }
}

TEST(BlockCodecs, TheRatiosAreThoseOfTheirSpecs) {
  std::mt19937_64 random(14);
  const std::vector<float> delta = Values(Kind::kNormal, 262144, random);
  EXPECT_GE(Ratio(*Make("fp16"), delta), 1.99);
  EXPECT_GE(Ratio(*Make("int4"), delta), 7.7);
  EXPECT_GE(Ratio(*Make("sign"), delta), 28);
}

// --- topk
// ------------------------------------------------------------------------------------------

// The indices by the slow way: sort all by magnitude, then by index.
std::vector<size_t> LargestBySorting(const std::vector<float>& values, size_t k) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return std::fabs(values[a]) > std::fabs(values[b]); });
  order.resize(k);
  return order;
}

TEST(TopK, SelectsExactlyTheLargestMagnitudesAndTheLowerIndexAmongEquals) {
  std::mt19937_64 random(4);
  for (const double density : {0.0005, 0.01, 0.1, 0.5, 0.999, 1.0}) {
    const auto codec = Make(absl::StrCat("topk:values=fp32,density=", density));
    for (const Kind kind : kKinds) {
      for (const size_t elements : {1u, 2u, 17u, 1000u, 4099u}) {
        const std::vector<float> delta = Values(kind, elements, random);
        const auto k = std::clamp<size_t>(
            static_cast<size_t>(std::llround(density * static_cast<double>(elements))), 1,
            elements);
        std::vector<float> expected(elements, 0.0f);
        for (const size_t i : LargestBySorting(delta, k)) expected[i] = delta[i];
        ASSERT_EQ(Decode(*codec, Encode(*codec, delta), elements), expected)
            << "density " << density << " elements " << elements << " kind "
            << static_cast<int>(kind);
      }
    }
  }
}

TEST(TopK, WhatIsNotSelectedStaysInTheResidualToTheBit) {
  const auto codec = Make("topk:density=0.05,values=fp32");
  std::mt19937_64 random(5);
  const std::vector<float> delta = Values(Kind::kNormal, 2000, random);
  std::vector<float> residual(delta.size(), 0.0f);
  Encode(*codec, delta, &residual);
  std::vector<float> expected = delta;
  for (const size_t i : LargestBySorting(delta, 100)) expected[i] = 0.0f;
  EXPECT_EQ(residual, expected);
}

TEST(TopK, ASmallElementIsSentOnceItsResidualHasGrown) {
  const auto codec = Make("topk:density=0.25,values=fp32");
  const std::vector<float> delta = {10, 3, 0, 0};
  std::vector<float> residual(4, 0.0f), applied(4, 0.0f);
  for (int push = 0; push < 8; ++push) {
    ASSERT_TRUE(
        codec->DecodeAdd(Encode(*codec, delta, &residual), 1.0f, absl::MakeSpan(applied)).ok());
  }
  EXPECT_GT(applied[1], 0.0f);
  EXPECT_EQ(applied[1] + residual[1], 24.0f);
}

TEST(TopK, AtOnePercentWithInt8ValuesTheRatioIsAtLeast150) {
  const auto codec = Make("topk:density=0.01,values=int8");
  std::mt19937_64 random(6);
  for (const size_t elements : {20000u, 50000u, 100000u, 262144u}) {
    EXPECT_GE(Ratio(*codec, Values(Kind::kNormal, elements, random)), 150) << elements;
  }
}

TEST(TopK, TheSizeDependsOnTheLengthAlone) {
  const auto codec = Make("topk:density=0.03");
  std::mt19937_64 random(7);
  for (const Kind kind : kKinds) {
    EXPECT_EQ(Encode(*codec, Values(kind, 10007, random)).size(), codec->Bound(10007));
  }
}

TEST(TopK, ParametersOutOfRangeAreRefused) {
  for (const char* bad :
       {"topk:density=0", "topk:density=1.5", "topk:density=nan", "topk:values=int9",
        "topk:values=fp32,block=256", "topk:block=100", "topk:chunk=128", "topk:chunk=131072",
        "topk:chunk=1000", "topk:chunk=0"}) {
    EXPECT_EQ(BuiltinCodecs().Create(bad).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
  EXPECT_EQ(Make("topk")->info().spec, "topk:block=256,density=0.01,values=int8");
  EXPECT_EQ(Make("topk:values=bf16")->info().spec, "topk:density=0.01,values=bf16");
  EXPECT_EQ(Make("topk:values=int2,chunk=4096")->info().spec,
            "topk:block=256,chunk=4096,density=0.01,values=int2");
  EXPECT_TRUE(
      absl::StrContains(BuiltinCodecs().Create("topk:chunk=1000").status().message(), "1024"));
  EXPECT_FALSE(Make("topk")->info().dense);
}

// --- registry
// --------------------------------------------------------------------------------------

TEST(CodecRegistry, WireIdsArePermanent) {
  EXPECT_EQ(MakeDecoder(1)->info().name, "identity");
  EXPECT_EQ(MakeDecoder(2)->info().name, "bf16");
  EXPECT_EQ(MakeDecoder(3)->info().name, "int8");
  EXPECT_EQ(MakeDecoder(4)->info().name, "topk");
  EXPECT_EQ(MakeDecoder(5)->info().name, "fp16");
  EXPECT_EQ(MakeDecoder(6)->info().name, "int4");
  EXPECT_EQ(MakeDecoder(7)->info().name, "sign");
  EXPECT_EQ(MakeDecoder(8)->info().name, "randomk");
  EXPECT_EQ(MakeDecoder(9)->info().name, "sparse_lossless");
}

TEST(CodecRegistry, AnUnknownNameIsNotFoundAndTheAnswerNamesWhatExists) {
  const auto codec = BuiltinCodecs().Create("int7");
  EXPECT_EQ(codec.status().code(), absl::StatusCode::kNotFound);
  for (const char* name : {"int7", "identity", "bf16", "int8", "topk", "fp16", "int4", "sign"}) {
    EXPECT_TRUE(absl::StrContains(codec.status().message(), name)) << codec.status();
  }
}

TEST(CodecRegistry, AMalformedSpecIsInvalid) {
  for (const char* bad : {"", ":", "int8:", "int8:block", "int8:block=16,block=32"}) {
    EXPECT_EQ(BuiltinCodecs().Create(bad).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
}

TEST(CodecRegistry, AnUnknownWireIdIsNotFound) {
  EXPECT_EQ(BuiltinCodecs().CreateForWireId(99).status().code(), absl::StatusCode::kNotFound);
}

TEST(CodecRegistry, ANameOrAWireIdIsTakenOnce) {
  CodecRegistry registry = BuiltinCodecs();
  const auto make = [](const Spec&) -> absl::StatusOr<std::unique_ptr<Codec>> { return nullptr; };
  EXPECT_EQ(registry.Add({"int8", 200, make}).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(registry.Add({"mine", 3, make}).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(registry.Add({"", 201, make}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(registry.Add({"mine", 200, make}).ok());
  EXPECT_EQ(registry.entries().size(), BuiltinCodecs().entries().size() + 1);
}

}  // namespace
}  // namespace tideway::codec_test
