// Every target makes the bits of the scalar reference, and the reference those of IEEE 754.

#include "compression/fp16/kernel.h"

#include <cmath>

#include "compression/common/kernel_testing.h"
#include "compression/fp16/scalar.h"
#include "gtest/gtest.h"

namespace tideway::compression {
namespace {

TEST(Fp16Kernel, EncodesToTheScalarReferencesBitsOnEveryTarget) {
  testing::OnEveryTarget([] {
    testing::WithEveryLengthAndKind([](testing::Case& c) {
      const int shift = ShiftFor(MagnitudeBitsMax(c.pushed()));
      testing::Case expected = c;
      std::vector<std::byte> got_bytes(2 * c.delta.size()), expected_bytes(2 * c.delta.size());
      const uint32_t largest =
          c.feedback
              ? scalar::EncodeFp16<true>(expected.pushed(), shift, 0, expected_bytes.data())
              : scalar::EncodeFp16<false>(expected.pushed(), shift, 0, expected_bytes.data());
      ASSERT_EQ(EncodeFp16(c.pushed(), shift, got_bytes.data()), largest);
      ASSERT_TRUE(testing::SameBits(got_bytes, expected_bytes));
      ASSERT_TRUE(testing::SameBits(c.residual, expected.residual));
    });
  });
}

TEST(Fp16Kernel, DecodesEveryHalfToTheScalarReferencesBitsOnEveryTarget) {
  std::vector<std::byte> bytes(2 * 0x10000);
  for (uint32_t half = 0; half < 0x10000; ++half) {
    StoreLittleEndian(static_cast<uint16_t>((half & 0x7c00) == 0x7c00 ? half & 0x83ff : half),
                      bytes.data() + 2 * half);
  }
  testing::OnEveryTarget([&] {
    for (const int shift : {0, 3, kShiftMax}) {
      for (const size_t elements : {size_t{0}, size_t{1}, size_t{77}, size_t{0x10000}}) {
        std::vector<float> got(elements, 0.125f), expected(elements, 0.125f);
        ASSERT_EQ(DecodeAddFp16(bytes.data(), shift, elements, 0.3f, got.data()),
                  scalar::DecodeAddFp16(bytes.data(), shift, 0, elements, 0.3f, expected.data()));
        ASSERT_TRUE(testing::SameBits(got, expected)) << shift;
      }
    }
  });
}

TEST(Fp16Kernel, SeesAHalfThatIsNotFiniteWhereverItStands) {
  testing::OnEveryTarget([] {
    for (size_t i = 0; i < 100; ++i) {
      std::vector<float> accumulator(100, 0.0f);
      std::vector<std::byte> bytes(200, std::byte{0});
      StoreLittleEndian(uint16_t{0xfc00}, bytes.data() + 2 * i);
      ASSERT_GE(DecodeAddFp16(bytes.data(), 0, 100, 1.0f, accumulator.data()), kHalfInfinity);
    }
  });
}

// By the definition: sign * 2^(exponent - 15) * 1.mantissa, or sign * 2^-14 * 0.mantissa.
double ValueOf(uint32_t half) {
  const int exponent = static_cast<int>(half >> 10 & 0x1f);
  const double mantissa = static_cast<double>(half & 0x3ff);
  return exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(Fp16Reference, EachHalfIsItsValueAndRoundsToItself) {
  for (uint32_t half = 0; half < kHalfInfinity; ++half) {
    const float value = scalar::FromHalf(half);
    ASSERT_EQ(static_cast<double>(value), ValueOf(half)) << half;
    ASSERT_EQ(scalar::RoundToHalf(value), half);
    ASSERT_EQ(scalar::FromHalf(half | 0x8000), -value);
    ASSERT_EQ(scalar::RoundToHalf(-value), half | 0x8000);
  }
}

TEST(Fp16Reference, BetweenTwoHalvesTheNearerIsTakenAndOfATieTheEvenOne) {
  for (uint32_t half = 0; half + 1 < kHalfInfinity; ++half) {
    const auto middle = static_cast<float>((ValueOf(half) + ValueOf(half + 1)) / 2);
    ASSERT_EQ(scalar::RoundToHalf(middle), half + half % 2) << half;
    ASSERT_EQ(scalar::RoundToHalf(std::nextafter(middle, 0.0f)), half);
    ASSERT_EQ(scalar::RoundToHalf(std::nextafter(middle, 1e6f)), half + 1);
  }
  EXPECT_EQ(scalar::RoundToHalf(65535.996f), kHalfMax) << "and not to infinity";
}

}  // namespace
}  // namespace tideway::compression
