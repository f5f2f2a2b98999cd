// Stochastic rounding: the same bits on every target, right on average, other numbers for other data.

#include "compression/int8/stochastic.h"

#include <cmath>

#include "compression/common/block_kernel_testing.h"
#include "compression/int8/kernel.h"
#include "compression/int8/scalar.h"
#include "compression/int8/stochastic_scalar.h"
#include "gtest/gtest.h"

namespace tideway::compression {
namespace {

constexpr uint64_t kSeed = 20240917;

const testing::BlockKernel kKernel{
    [](const Pushed& pushed, int block_log2, std::byte* scales, std::byte* values) {
      return EncodeInt8Stochastic(pushed, block_log2, kSeed, scales, values);
    },
    [](const Pushed& pushed, int block_log2, std::byte* scales, std::byte* values) {
      return scalar::EncodeInt8Stochastic(pushed, block_log2, kSeed, scales, values);
    },
    DecodeAddInt8, scalar::DecodeAddInt8, 1};

TEST(Int8Stochastic, EncodesToTheScalarReferencesBitsOnEveryTarget) {
  testing::ExpectSameEncoding(kKernel);
}

TEST(Int8Stochastic, SeesWhatIsNotFiniteAndLeavesTheResidualOnEveryTarget) {
  testing::ExpectNotFiniteIsSeen(kKernel);
}

// One block of 1024 elements, which hold `value` but for the first, 127, that sets the scale to 1,
// and the last, that makes each call's data another.
std::vector<std::byte> ValuesOf(float value, int call, uint64_t seed) {
  std::vector<float> delta(1024, value);
  delta.front() = 127.0f;
  delta.back() = static_cast<float>(call) * 0x1p-10f;
  std::vector<std::byte> scales(4), values(delta.size());
  EncodeInt8Stochastic({delta.data(), nullptr, 1.0f, delta.size()}, 10, seed, scales.data(),
                       values.data());
  EXPECT_EQ(LoadLittleEndian<uint32_t>(scales.data()), BitsOf(1.0f));
  values.erase(values.begin());
  values.pop_back();
  return values;
}

double MeanOf(const std::vector<std::byte>& values) {
  double sum = 0;
  for (const std::byte value : values) sum += static_cast<int8_t>(value);
  return sum / static_cast<double>(values.size());
}

TEST(Int8Stochastic, IsRightOnAverage) {
  for (const float value : {0.0f, 0.01f, 0.5f, 0.875f, -0.3f, -41.25f, 100.0625f, 126.9f}) {
    double sum = 0;
    constexpr int kCalls = 400;
    for (int call = 0; call < kCalls; ++call) sum += MeanOf(ValuesOf(value, call, kSeed));
    // Five standard deviations of a mean of 400 * 1022 draws that are 0 or 1.
    const double fraction = static_cast<double>(value - std::floor(value));
    const double deviation = std::sqrt(fraction * (1 - fraction) / (kCalls * 1022.0));
    EXPECT_NEAR(sum / kCalls, static_cast<double>(value), 5 * deviation + 0x1p-17) << value;
  }
}

TEST(Int8Stochastic, EachPlaceInABlockIsRightOnAverage) {
  std::vector<double> sums(1022, 0.0);
  constexpr int kCalls = 2000;
  for (int call = 0; call < kCalls; ++call) {
    const std::vector<std::byte> values = ValuesOf(0.5f, call, kSeed);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<int8_t>(values[i]);
  }
  // Six standard deviations, since there are 1022 chances to be over.
  for (size_t i = 0; i < sums.size(); ++i) {
    ASSERT_NEAR(sums[i] / kCalls, 0.5, 6 * std::sqrt(0.25 / kCalls)) << i;
  }
}

// That two draws agree in half of the places, within six standard deviations.
void ExpectUnrelated(const std::vector<std::byte>& a, const std::vector<std::byte>& b) {
  int same = 0;
  for (size_t i = 0; i < a.size(); ++i) same += a[i] == b[i] ? 1 : 0;
  EXPECT_NEAR(same, 511, 6 * std::sqrt(1022 * 0.25));
}

TEST(Int8Stochastic, OtherDataOrAnotherSeedDrawsOtherNumbers) {
  const std::vector<std::byte> values = ValuesOf(0.5f, 0, 1);
  EXPECT_EQ(values, ValuesOf(0.5f, 0, 1)) << "a retry sends the same bytes";
  ExpectUnrelated(values, ValuesOf(0.5f, 1, 1));
  ExpectUnrelated(values, ValuesOf(0.5f, 0, 2));
  std::vector<std::byte> shifted = values;  // and no place repeats the one before it
  shifted.insert(shifted.begin(), shifted.back());
  shifted.pop_back();
  ExpectUnrelated(values, shifted);
}

TEST(Int8Stochastic, EqualBlocksOfOneMessageDrawDifferentNumbers) {
  const std::vector<float> delta = [] {
    std::vector<float> twice(2048, 0.5f);
    twice[0] = twice[1024] = 127.0f;
    return twice;
  }();
  std::vector<std::byte> scales(8), values(delta.size());
  EncodeInt8Stochastic({delta.data(), nullptr, 1.0f, delta.size()}, 10, kSeed, scales.data(),
                       values.data());
  ExpectUnrelated({values.begin() + 1, values.begin() + 1023},
                  {values.begin() + 1025, values.begin() + 2047});
}

TEST(Int8Stochastic, WholeNumbersOfTheScaleStayAsTheyAre) {
  for (const float value : {0.0f, 1.0f, -1.0f, 64.0f, -126.0f}) {
    for (const std::byte got : ValuesOf(value, 3, kSeed)) {
      ASSERT_EQ(static_cast<int8_t>(got), static_cast<int>(value));
    }
  }
}

}  // namespace
}  // namespace tideway::compression
