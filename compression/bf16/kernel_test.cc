// Every target makes the bits of the scalar reference.

#include "compression/bf16/kernel.h"

#include "compression/bf16/scalar.h"
#include "compression/common/kernel_testing.h"
#include "gtest/gtest.h"

namespace tideway::compression {
namespace {

TEST(Bf16Kernel, EncodesToTheScalarReferencesBitsOnEveryTarget) {
  testing::OnEveryTarget([] {
    testing::WithEveryLengthAndKind([](testing::Case& c) {
      testing::Case expected = c;
      std::vector<std::byte> got_bytes(2 * c.delta.size()), expected_bytes(2 * c.delta.size());
      const uint32_t largest =
          c.feedback ? scalar::EncodeBf16<true>(expected.pushed(), 0, expected_bytes.data())
                     : scalar::EncodeBf16<false>(expected.pushed(), 0, expected_bytes.data());
      ASSERT_EQ(EncodeBf16(c.pushed(), got_bytes.data()), largest);
      ASSERT_TRUE(testing::SameBits(got_bytes, expected_bytes));
      ASSERT_TRUE(testing::SameBits(c.residual, expected.residual));
    });
  });
}

TEST(Bf16Kernel, DecodesToTheScalarReferencesBitsOnEveryTarget) {
  testing::OnEveryTarget([] {
    std::mt19937_64 random(3);
    for (size_t elements = 0; elements <= 1025; ++elements) {
      std::vector<std::byte> bytes(2 * elements);
      // Bytes of a finite kind: which NaN a sum of NaNs has is the machine's choice.
      for (size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>(random() & (i % 2 == 0 ? 0xff : 0xbf));
      }
      std::vector<float> got = testing::VectorOf(testing::Data::kNormal, elements, random);
      std::vector<float> expected = got;
      ASSERT_EQ(DecodeAddBf16(bytes.data(), elements, 0.3f, got.data()),
                scalar::DecodeAddBf16(bytes.data(), 0, elements, 0.3f, expected.data()));
      ASSERT_TRUE(testing::SameBits(got, expected)) << elements;
    }
  });
}

TEST(Bf16Kernel, SeesWhatIsNotFiniteWhereverItStands) {
  testing::OnEveryTarget([] {
    for (size_t i = 0; i < 100; ++i) {
      std::vector<float> delta(100, 1.0f), accumulator(100, 0.0f);
      std::vector<std::byte> bytes(200, std::byte{0});
      delta[i] = FloatOf(0x7fc00000u);
      ASSERT_GE(EncodeBf16({delta.data(), nullptr, 1.0f, 100}, bytes.data()), kInfinityBits);
      std::fill(bytes.begin(), bytes.end(), std::byte{0});
      StoreLittleEndian(uint16_t{0xff80}, bytes.data() + 2 * i);
      ASSERT_GE(DecodeAddBf16(bytes.data(), 100, 1.0f, accumulator.data()), kInfinityBits);
    }
  });
}

}  // namespace
}  // namespace tideway::compression
