// What the tests of kernels share: every instruction set that this machine can run, and vectors of
// every awkward kind with and without a residual.

#ifndef TIDEWAY_COMPRESSION_COMMON_KERNEL_TESTING_H_
#define TIDEWAY_COMPRESSION_COMMON_KERNEL_TESTING_H_

#include <bit>
#include <cfloat>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "compression/common/feedback.h"
#include "gtest/gtest.h"
#include "hwy/targets.h"

namespace tideway::compression::testing {

// Runs `check` once for each target; inside, every kernel runs on that target.
template <class Check>
void OnEveryTarget(const Check& check) {
  hwy::SetSupportedTargetsForTest(0);
  int64_t left = hwy::SupportedTargets();
  ASSERT_NE(left, 0);
  for (; left != 0; left &= left - 1) {
    const int64_t target = left & -left;
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

enum class Data { kNormal, kAnyExponent, kDenormal, kZero, kHuge, kTies, kSpikes };
inline constexpr Data kData[] = {Data::kNormal, Data::kAnyExponent, Data::kDenormal, Data::kZero,
                                 Data::kHuge,   Data::kTies,        Data::kSpikes};

inline float ElementFor(Data data, size_t i, std::mt19937_64& random) {
  const auto bits = static_cast<uint32_t>(random());
  const float normal = static_cast<float>(static_cast<int32_t>(bits)) * 0x1p-31f;
  switch (data) {
    case Data::kNormal:
      return normal;
    case Data::kAnyExponent:  // up to 2^126, so that delta plus residual stays finite
      return std::bit_cast<float>((bits & 0x807fffffu) | (bits >> 23 & 0xff) % 253 << 23);
    case Data::kDenormal:
      return std::bit_cast<float>(bits & 0x807fffffu);
    case Data::kZero:
      return std::bit_cast<float>(bits & 0x80000000u);
    case Data::kHuge:
      return i % 3 == 0 ? normal : (bits & 1) != 0 ? FLT_MAX / 2 : -FLT_MAX / 2;
    case Data::kTies:  // halves of whole numbers, with 127 in each block: ties of int8 and int4
      return i % 16 == 5 ? 127.0f : static_cast<float>(static_cast<int>(bits % 253) - 126) / 2;
    case Data::kSpikes:
      return i % 41 == 7 ? normal * 0x1p+60f : normal * 0x1p-30f;
  }
  return 0;
}

inline std::vector<float> VectorOf(Data data, size_t elements, std::mt19937_64& random) {
  std::vector<float> values(elements);
  for (size_t i = 0; i < elements; ++i) values[i] = ElementFor(data, i, random);
  return values;
}

template <class T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// One vector and a residual that may be absent.
struct Case {
  std::vector<float> delta;
  std::vector<float> residual;
  bool feedback = false;
  float decay = 1.0f;

  Pushed pushed() {
    return {delta.data(), feedback ? residual.data() : nullptr, decay, delta.size()};
  }
};

// Runs check(Case) with every length 0..1025, each with one kind of data in turn, with and without
// a residual; and with every kind at one length.
template <class Check>
void WithEveryLengthAndKind(const Check& check) {
  std::mt19937_64 random(20240917);
  const auto run = [&](Data data, size_t elements) {
    for (const bool feedback : {false, true}) {
      Case c{VectorOf(data, elements, random), VectorOf(data, elements, random), feedback,
             elements % 2 == 0 ? 1.0f : 0.95f};
      SCOPED_TRACE(::testing::Message() << "data " << static_cast<int>(data) << " elements "
                                        << elements << " feedback " << feedback);
      check(c);
      if (::testing::Test::HasFatalFailure()) return;
    }
  };
  for (size_t elements = 0; elements <= 1025; ++elements) run(kData[elements % 7], elements);
  for (const Data data : kData) run(data, 4099);
}

}  // namespace tideway::compression::testing

#endif  // TIDEWAY_COMPRESSION_COMMON_KERNEL_TESTING_H_
