#include "core/wire/payload_scan.h"

#include <xxhash.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "core/wire/frame.h"
#include "gtest/gtest.h"

namespace tideway::wire {
namespace {

constexpr uint64_t kSeed = 3;

// Random bytes of which every four are a finite float, and one more, so that they can be had unaligned.
std::vector<std::byte> FiniteFloats(size_t bytes) {
  std::mt19937_64 random(kSeed);
  std::vector<std::byte> result(bytes + 1);
  for (size_t at = 0; at + 4 <= bytes; at += 4) {
    uint32_t bits = static_cast<uint32_t>(random());
    if ((bits & 0x7f800000) == 0x7f800000) bits ^= 0x00800000;
    std::memcpy(result.data() + at, &bits, sizeof(bits));
  }
  return result;
}

void Poison(std::vector<std::byte>& payload, size_t element, float value) {
  std::memcpy(payload.data() + 4 * element, &value, sizeof(value));
}

// Around every boundary of the algorithm: 240 bytes, stripes of 64, blocks of 1024.
TEST(PayloadScan, TheHashIsXxh3OfAnyLengthAndAlignment) {
  const std::vector<std::byte> bytes = FiniteFloats(5000);
  for (size_t size = 1; size < bytes.size(); ++size) {
    for (size_t start = 0; start < 2 && start + size <= bytes.size(); ++start) {
      const auto payload = absl::MakeConstSpan(bytes).subspan(start, size);
      ASSERT_EQ(HashBytes(payload), XXH3_64bits(payload.data(), size)) << size << " at " << start;
    }
  }
}

TEST(PayloadScan, BothWaysOfScanningAgreeWithTheHashOfTheFrame) {
  const std::vector<std::byte> bytes = FiniteFloats(size_t{1} << 18);
  for (size_t size = 4; size < bytes.size(); size = size * 5 / 4 / 4 * 4 + 4) {
    const auto payload = absl::MakeConstSpan(bytes).first(size);
    const PayloadScan scan = ScanFloats(payload);
    const PayloadScan portable = ScanFloatsPortably(payload);
    EXPECT_EQ(scan.hash, HashPayload(payload)) << size;
    EXPECT_EQ(portable.hash, HashPayload(payload)) << size;
    EXPECT_TRUE(scan.finite) << size;
    EXPECT_TRUE(portable.finite) << size;
    EXPECT_TRUE(AllFinite(payload)) << size;
  }
}

TEST(PayloadScan, OneValueThatIsNotFiniteIsSeenWhereverItStands) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const size_t elements : {1, 59, 60, 61, 75, 256, 257, 700}) {
    for (size_t at = 0; at < elements; ++at) {
      for (const float poison : {kInfinity, -kInfinity, std::nanf(""), -std::nanf("1")}) {
        std::vector<std::byte> bytes = FiniteFloats(4 * elements);
        Poison(bytes, at, poison);
        const auto payload = absl::MakeConstSpan(bytes).first(4 * elements);
        EXPECT_FALSE(ScanFloats(payload).finite) << at << " of " << elements;
        EXPECT_FALSE(ScanFloatsPortably(payload).finite) << at << " of " << elements;
        EXPECT_FALSE(AllFinite(payload)) << at << " of " << elements;
      }
    }
  }
}

TEST(PayloadScan, TheLargestFiniteValuesAreFinite) {
  std::vector<std::byte> bytes = FiniteFloats(1024);
  Poison(bytes, 7, std::numeric_limits<float>::max());
  Poison(bytes, 8, std::numeric_limits<float>::lowest());
  EXPECT_TRUE(ScanFloats(absl::MakeConstSpan(bytes).first(1024)).finite);
}

TEST(PayloadScan, NothingIsFiniteAndHashesAsTheFrameDoes) {
  EXPECT_TRUE(ScanFloats({}).finite);
  EXPECT_EQ(ScanFloats({}).hash, HashPayload({}));
}

TEST(PayloadScanner, APayloadThatComesInPiecesIsSeenAsOneThatCameAsAWhole) {
  std::mt19937_64 random(kSeed);
  for (const size_t size : {0, 1, 4, 240, 241, 1023, 1024, 1025, 2048, 2049, 5000, 100000}) {
    std::vector<std::byte> bytes = FiniteFloats(size);
    const auto payload = absl::MakeConstSpan(bytes).first(size);
    for (int run = 0; run < 20; ++run) {
      PayloadScanner scanner(payload);
      for (size_t landed = 0; landed < size; landed += 1 + random() % (size / 3 + 1)) {
        scanner.Advance(landed);
      }
      const PayloadScan scan = scanner.Finish();
      EXPECT_EQ(scan.hash, HashPayload(payload)) << size;
      EXPECT_TRUE(scan.finite || size % 4 != 0) << size;
    }
  }
}

TEST(PayloadScanner, WhatHasLandedIsNotLookedAtAgainButWhatHasNotIs) {
  constexpr size_t kBytes = 16384;
  std::vector<std::byte> bytes = FiniteFloats(kBytes);
  const auto payload = absl::MakeConstSpan(bytes).first(kBytes);
  PayloadScanner scanner(payload);
  EXPECT_EQ(scanner.left(), kBytes);
  scanner.Advance(kBytes / 2);
  EXPECT_LE(scanner.left(), kBytes);
  Poison(bytes, kBytes / 4 - 1, std::nanf(""));
  EXPECT_FALSE(scanner.Finish().finite);
}

}  // namespace
}  // namespace tideway::wire
