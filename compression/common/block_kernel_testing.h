// The promises of a kernel whose blocks have one scale each, against its scalar reference.

#ifndef TIDEWAY_COMPRESSION_COMMON_BLOCK_KERNEL_TESTING_H_
#define TIDEWAY_COMPRESSION_COMMON_BLOCK_KERNEL_TESTING_H_

#include <cstddef>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "compression/common/block_scale.h"
#include "compression/common/kernel_testing.h"
#include "gtest/gtest.h"

namespace tideway::compression::testing {

struct BlockKernel {
  using Encode = std::function<uint32_t(const Pushed&, int, std::byte*, std::byte*)>;
  using DecodeAdd =
      std::function<bool(const std::byte*, const std::byte*, int, size_t, float, float*)>;

  Encode encode, encode_reference;
  DecodeAdd decode_add, decode_add_reference;
  size_t elements_per_byte;

  size_t ValueBytes(size_t elements) const {
    return (elements + elements_per_byte - 1) / elements_per_byte;
  }
};

struct Encoded {
  std::vector<std::byte> scales, values;
  std::vector<float> residual;
  uint32_t largest = 0;
};

inline Encoded EncodedBy(const BlockKernel::Encode& encode, const BlockKernel& kernel, Case c,
                         int block_log2) {
  Encoded encoded;
  encoded.scales.resize(4 * BlockCount(c.delta.size(), block_log2));
  encoded.values.resize(kernel.ValueBytes(c.delta.size()));
  encoded.largest = encode(c.pushed(), block_log2, encoded.scales.data(), encoded.values.data());
  encoded.residual = std::move(c.residual);
  return encoded;
}

inline void ExpectSameEncoding(const BlockKernel& kernel) {
  OnEveryTarget([&] {
    for (const int block_log2 : {4, 7, 10}) {
      WithEveryLengthAndKind([&](Case& c) {
        const Encoded got = EncodedBy(kernel.encode, kernel, c, block_log2);
        const Encoded expected = EncodedBy(kernel.encode_reference, kernel, c, block_log2);
        ASSERT_EQ(got.largest, expected.largest);
        ASSERT_TRUE(SameBits(got.scales, expected.scales));
        ASSERT_TRUE(SameBits(got.values, expected.values));
        ASSERT_TRUE(SameBits(got.residual, expected.residual));
      });
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

inline void ExpectSameSum(const BlockKernel& kernel, const Encoded& encoded, int block_log2,
                          const std::vector<float>& start) {
  std::vector<float> got = start, expected = start;
  const bool accepted = kernel.decode_add(encoded.scales.data(), encoded.values.data(), block_log2,
                                          start.size(), -0.7f, got.data());
  ASSERT_EQ(accepted,
            kernel.decode_add_reference(encoded.scales.data(), encoded.values.data(), block_log2,
                                        start.size(), -0.7f, expected.data()));
  ASSERT_TRUE(!accepted || SameBits(got, expected));
}

inline void ExpectSameDecoding(const BlockKernel& kernel) {
  OnEveryTarget([&] {
    for (const int block_log2 : {4, 8}) {
      WithEveryLengthAndKind([&](Case& c) {
        const Encoded encoded = EncodedBy(kernel.encode_reference, kernel, c, block_log2);
        ExpectSameSum(kernel, encoded, block_log2, c.residual);
      });
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

// Whatever the values are, each target accepts or refuses them as the reference does.
inline void ExpectSameRefusals(const BlockKernel& kernel) {
  OnEveryTarget([&] {
    std::mt19937_64 random(7);
    int refused = 0;
    for (int round = 0; round < 500; ++round) {
      const size_t elements = random() % 200;
      Case c{VectorOf(Data::kNormal, elements, random)};
      Encoded encoded = EncodedBy(kernel.encode_reference, kernel, c, 5);
      if (!encoded.values.empty()) {
        encoded.values[random() % encoded.values.size()] = static_cast<std::byte>(random());
        // The number that no encoder writes, and bits behind the end.
        if (round % 3 == 0) encoded.values[random() % encoded.values.size()] = std::byte{0x80};
        if (round % 3 == 1) encoded.values.back() = std::byte{0xf0};
      }
      std::vector<float> accumulator(elements);
      refused += kernel.decode_add_reference(encoded.scales.data(), encoded.values.data(), 5,
                                             elements, 1.0f, accumulator.data())
                     ? 0
                     : 1;
      ExpectSameSum(kernel, encoded, 5, VectorOf(Data::kNormal, elements, random));
      if (::testing::Test::HasFatalFailure()) return;
    }
    EXPECT_GT(refused, 20);
  });
}

// A NaN or an infinity is seen wherever it stands, and the residual is as it was.
inline void ExpectNotFiniteIsSeen(const BlockKernel& kernel) {
  OnEveryTarget([&] {
    std::mt19937_64 random(8);
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      for (size_t i = 0; i < 150; ++i) {
        for (const bool feedback : {false, true}) {
          Case c{VectorOf(Data::kNormal, 150, random), VectorOf(Data::kNormal, 150, random),
                 feedback};
          c.delta[i] = bad;
          const Encoded encoded = EncodedBy(kernel.encode, kernel, c, 5);
          ASSERT_GE(encoded.largest, kInfinityBits) << i;
          ASSERT_TRUE(SameBits(encoded.residual, c.residual)) << i;
        }
      }
    }
  });
}

}  // namespace tideway::compression::testing

#endif  // TIDEWAY_COMPRESSION_COMMON_BLOCK_KERNEL_TESTING_H_
