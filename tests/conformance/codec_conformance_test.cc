// What codec.h promises, for every codec of THE LIST: what goes in comes out, and nothing is lost
// on the way.

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "tests/conformance/codec_values.h"
#include "tideway/limits.h"

namespace tideway::codec_test {
namespace {

class Codecs : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    codec_ = Make(GetParam());
    ASSERT_NE(codec_, nullptr);
  }

  std::unique_ptr<Codec> codec_;
  std::mt19937_64 random_{20240607};
};

INSTANTIATE_TEST_SUITE_P(EveryCodec, Codecs, testing::ValuesIn(AllSpecs()), TestName);

std::vector<float> Sum(const std::vector<float>& delta, const std::vector<float>& residual,
                       float decay) {
  std::vector<float> sum(delta.size());
  for (size_t i = 0; i < delta.size(); ++i) sum[i] = delta[i] + decay * residual[i];
  return sum;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// That an element is accounted for: applied + residual = pushed, both as the machine adds them and
// with no rounding at all. A codec without an exact residual keeps the difference rounded to fp32.
void ExpectAccounted(const CodecInfo& info, float applied, float residual, float pushed) {
  if (!info.exact_residual) {
    ASSERT_EQ(residual, pushed - applied);
    return;
  }
  ASSERT_EQ(applied + residual, pushed);
  ASSERT_EQ(static_cast<double>(pushed) - static_cast<double>(applied),
            static_cast<double>(residual));
}

// --- applied + residual = pushed
// ------------------------------------------------------------------

TEST_P(Codecs, AppliedPlusResidualEqualsPushedExactly) {
  for (const Kind kind : kKinds) {
    for (const float decay : {1.0f, 0.95f, 0.0f}) {
      SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(kind) << " decay " << decay);
      const std::vector<float> delta = Values(kind, 3001, random_);
      std::vector<float> residual = Values(kind, delta.size(), random_);
      for (float& r : residual) r *= 0.5f;
      const std::vector<float> pushed = Sum(delta, residual, decay);
      const std::vector<float> applied =
          Decode(*codec_, Encode(*codec_, delta, &residual, decay), delta.size());
      for (size_t i = 0; i < delta.size(); ++i) {
        SCOPED_TRACE(testing::Message() << "element " << i);
        ExpectAccounted(codec_->info(), applied[i], residual[i], pushed[i]);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(Codecs, OverManyPushesTheSumOfWhatWasAppliedPlusTheResidualIsTheSumOfTheDeltas) {
  constexpr int kPushes = 40;
  constexpr size_t kElements = 1500;
  std::vector<float> residual(kElements, 0.0f);
  std::vector<double> deltas(kElements, 0.0), applied(kElements, 0.0), rounding(kElements, 0.0);
  for (int push = 0; push < kPushes; ++push) {
    const std::vector<float> delta = Values(Kind::kNormal, kElements, random_);
    const std::vector<float> pushed = Sum(delta, residual, 1.0f);
    const std::vector<float> decoded =
        Decode(*codec_, Encode(*codec_, delta, &residual), kElements);
    for (size_t i = 0; i < kElements; ++i) {
      deltas[i] += static_cast<double>(delta[i]);
      applied[i] += static_cast<double>(decoded[i]);
      // The only loss is the rounding of delta + residual to fp32, half a unit in the last place, and
      // that of the new residual where it is not exact.
      rounding[i] += 0x1p-24 * std::fabs(static_cast<double>(pushed[i])) + 1e-40;
      if (!codec_->info().exact_residual) {
        rounding[i] += 0x1p-24 * std::fabs(static_cast<double>(residual[i]));
      }
    }
  }
  for (size_t i = 0; i < kElements; ++i) {
    ASSERT_NEAR(applied[i] + static_cast<double>(residual[i]), deltas[i], rounding[i] + 1e-14)
        << "element " << i;
  }
}

TEST_P(Codecs, DecayScalesTheResidualBeforeItIsAdded) {
  const std::vector<float> delta = Values(Kind::kNormal, 700, random_);
  std::vector<float> residual = Values(Kind::kNormal, delta.size(), random_);
  const std::vector<float> pushed = Sum(delta, residual, 0.95f);
  EXPECT_EQ(Encode(*codec_, delta, &residual, 0.95f), Encode(*codec_, pushed));
}

TEST_P(Codecs, WithoutAResidualTheBytesAreThoseOfAZeroResidual) {
  for (const Kind kind : kKinds) {
    const std::vector<float> delta = Values(kind, 1234, random_);
    std::vector<float> zeros(delta.size(), 0.0f);
    EXPECT_EQ(Decode(*codec_, Encode(*codec_, delta), delta.size()),
              Decode(*codec_, Encode(*codec_, delta, &zeros), delta.size()));
  }
}

// --- what is not finite is refused
// ----------------------------------------------------------------

void ExpectRefusalNaming(const Codec& codec, const std::vector<float>& delta,
                         std::vector<float> residual, const std::string& index) {
  const std::vector<float> before = residual;
  std::vector<std::byte> out(codec.Bound(delta.size()));
  const auto bytes = codec.Encode(delta, absl::MakeSpan(residual), {}, absl::MakeSpan(out));
  EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument) << bytes.status();
  EXPECT_TRUE(absl::StrContains(bytes.status().message(), "element " + index + " "))
      << bytes.status();
  EXPECT_TRUE(SameBits(residual, before)) << "the residual was touched";
}

TEST_P(Codecs, ANaNOrInfinityIsRefusedByIndexAndTheResidualStaysAsItWas) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    for (const size_t index : {size_t{0}, size_t{777}, size_t{999}}) {
      std::vector<float> delta = Values(Kind::kNormal, 1000, random_);
      const std::vector<float> residual = Values(Kind::kNormal, 1000, random_);
      delta[index] = bad;
      ExpectRefusalNaming(*codec_, delta, residual, std::to_string(index));
      ExpectRefusalNaming(*codec_, delta, {}, std::to_string(index));
    }
  }
}

TEST_P(Codecs, ASumThatOverflowsIsRefusedByIndex) {
  std::vector<float> delta(600, 1.0f), residual(600, 1.0f);
  delta[512] = residual[512] = FLT_MAX;
  ExpectRefusalNaming(*codec_, delta, residual, "512");
}

TEST_P(Codecs, WrongArgumentsAreRefusedAndTheResidualStaysAsItWas) {
  const std::vector<float> delta(100, 1.0f);
  std::vector<float> residual(99, 0.5f), matching(100, 0.5f);
  std::vector<std::byte> out(codec_->Bound(100)), small(codec_->Bound(100) - 1);
  const auto encode = [&](std::vector<float>& left, std::vector<std::byte>& to, float decay) {
    return codec_
        ->Encode(delta, absl::MakeSpan(left), {.residual_decay = decay}, absl::MakeSpan(to))
        .status()
        .code();
  };
  EXPECT_EQ(encode(residual, out, 1.0f), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(encode(matching, small, 1.0f), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(encode(matching, out, -0.5f), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(encode(matching, out, 1.5f), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(encode(matching, out, std::nanf("")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(matching, std::vector<float>(100, 0.5f));
  EXPECT_EQ(residual, std::vector<float>(99, 0.5f));
}

// --- sizes
// -----------------------------------------------------------------------------------------

TEST_P(Codecs, EveryLengthRoundTripsAndStaysWithinBound) {
  for (size_t elements = 0; elements <= 1025; ++elements) {
    const std::vector<float> delta = Values(Kind::kNormal, elements, random_);
    std::vector<float> residual(elements, 0.0f);
    const std::vector<std::byte> bytes = Encode(*codec_, delta, &residual);
    ASSERT_LE(bytes.size(), codec_->Bound(elements)) << elements;
    ASSERT_LE(codec_->Bound(elements), EncodedBytesMax(elements)) << elements;
    const std::vector<float> applied = Decode(*codec_, bytes, elements);
    for (size_t i = 0; i < elements; ++i) {
      ExpectAccounted(codec_->info(), applied[i], residual[i], delta[i]);
      if (HasFatalFailure()) FAIL() << elements;
    }
  }
}

TEST_P(Codecs, TheBoundHoldsForAwkwardValuesAndForTheLargestFragment) {
  for (const Kind kind : kKinds) {
    const std::vector<float> delta = Values(kind, 40000, random_);
    EXPECT_LE(Encode(*codec_, delta).size(), codec_->Bound(delta.size()));
  }
  const size_t largest = kFragmentBytesMax / sizeof(float);
  EXPECT_LE(codec_->Bound(largest), EncodedBytesMax(largest));
}

TEST_P(Codecs, MoreThanAFragmentIsRefused) {
  const std::vector<float> delta(kFragmentBytesMax / sizeof(float) + 1, 1.0f);
  std::vector<std::byte> out(EncodedBytesMax(delta.size()));
  EXPECT_EQ(codec_->Encode(delta, {}, {}, absl::MakeSpan(out)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(Codecs, EncodingIsDeterministic) {
  const auto again = Make(GetParam());
  for (const Kind kind : kKinds) {
    const std::vector<float> delta = Values(kind, 5000, random_);
    EXPECT_EQ(Encode(*codec_, delta), Encode(*again, delta));
  }
}

// Whatever lay in the output before must not show in the bytes.
TEST_P(Codecs, EncodingWritesEveryByteThatItReports) {
  const std::vector<float> delta = Values(Kind::kNormal, 2222, random_);
  std::vector<std::byte> zeros(codec_->Bound(delta.size()), std::byte{0});
  std::vector<std::byte> ones(zeros.size(), std::byte{0xff});
  const auto first = codec_->Encode(delta, {}, {}, absl::MakeSpan(zeros));
  const auto second = codec_->Encode(delta, {}, {}, absl::MakeSpan(ones));
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_EQ(*first, *second);
  EXPECT_EQ(std::memcmp(zeros.data(), ones.data(), *first), 0);
}

// --- decoding
// --------------------------------------------------------------------------------------

TEST_P(Codecs, AnyInstanceOfTheSameNameDecodes) {
  const auto decoder = MakeDecoder(codec_->info().wire_id);
  ASSERT_NE(decoder, nullptr);
  EXPECT_EQ(decoder->info().name, codec_->info().name);
  const std::vector<float> delta = Values(Kind::kNormal, 3333, random_);
  const std::vector<std::byte> bytes = Encode(*codec_, delta);
  EXPECT_TRUE(
      SameBits(Decode(*decoder, bytes, delta.size()), Decode(*codec_, bytes, delta.size())));
}

TEST_P(Codecs, DecodeAddsScaledAndDoesNotOverwrite) {
  const std::vector<float> delta = Values(Kind::kNormal, 2000, random_);
  const std::vector<float> start = Values(Kind::kNormal, delta.size(), random_);
  const std::vector<std::byte> bytes = Encode(*codec_, delta);
  const std::vector<float> decoded = Decode(*codec_, bytes, delta.size());
  for (const float scale : {1.0f, -0.7f, 0.25f, 0.0f}) {
    std::vector<float> accumulator = start;
    ASSERT_TRUE(codec_->DecodeAdd(bytes, scale, absl::MakeSpan(accumulator)).ok());
    for (size_t i = 0; i < delta.size(); ++i) {
      ASSERT_EQ(accumulator[i], start[i] + scale * decoded[i]) << "element " << i;
    }
  }
}

TEST_P(Codecs, BytesMayLieAtAnyAddress) {
  const std::vector<float> delta = Values(Kind::kNormal, 1030, random_);
  const std::vector<std::byte> expected = Encode(*codec_, delta);
  for (size_t offset = 1; offset < 8; ++offset) {
    std::vector<std::byte> room(codec_->Bound(delta.size()) + offset);
    const auto out = absl::MakeSpan(room).subspan(offset);
    const auto bytes = codec_->Encode(delta, {}, {}, out);
    ASSERT_TRUE(bytes.ok());
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), out.begin()));
    std::vector<float> decoded(delta.size(), 0.0f);
    ASSERT_TRUE(codec_->DecodeAdd(out.first(*bytes), 1.0f, absl::MakeSpan(decoded)).ok());
    ASSERT_EQ(decoded, Decode(*codec_, expected, delta.size()));
  }
}

TEST_P(Codecs, ZerosDecodeToZeros) {
  const std::vector<float> zeros(1000, 0.0f);
  EXPECT_EQ(Decode(*codec_, Encode(*codec_, zeros), zeros.size()), zeros);
}

TEST_P(Codecs, TheLargestFiniteValuesStayFinite) {
  std::vector<float> delta(1000, FLT_MAX);
  for (size_t i = 0; i < delta.size(); i += 3) delta[i] = -FLT_MAX;
  for (const float value : Decode(*codec_, Encode(*codec_, delta), delta.size())) {
    ASSERT_TRUE(std::isfinite(value));
  }
}

// --- info
// ------------------------------------------------------------------------------------------

TEST_P(Codecs, TheCanonicalSpecMakesTheSameCodec) {
  const auto again = Make(codec_->info().spec);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->info().spec, codec_->info().spec);
  const std::vector<float> delta = Values(Kind::kNormal, 3000, random_);
  EXPECT_EQ(Encode(*again, delta), Encode(*codec_, delta));
}

TEST_P(Codecs, WhatIsCalledLosslessIs) {
  if (!codec_->info().lossless) return;
  for (const Kind kind : kKinds) {
    const std::vector<float> delta = Values(kind, 999, random_);
    EXPECT_EQ(Decode(*codec_, Encode(*codec_, delta), delta.size()), delta);
  }
}

TEST_P(Codecs, AnUnknownParameterIsRefused) {
  // The last codec of a chain gets it.
  const std::string& spec = codec_->info().spec;
  const bool has_some = spec.find(':', spec.rfind('+') + 1) != spec.npos;
  const auto codec = TestCodecs().Create(spec + (has_some ? "," : ":") + "no_such_key=1");
  EXPECT_EQ(codec.status().code(), absl::StatusCode::kInvalidArgument) << codec.status();
  EXPECT_TRUE(absl::StrContains(codec.status().message(), "no_such_key")) << codec.status();
}

}  // namespace
}  // namespace tideway::codec_test
