#include "trainer/byte_models.h"

#include <cmath>
#include <string>

#include "gtest/gtest.h"

namespace tideway::trainer {
namespace {

TEST(ByteModels, MatchAHandComputedCase) {
  // Training "abab": n(a) = n(b) = 2; a is followed by b twice, b by a once; ab by a, ba by b, once.
  const ByteModelLosses losses = MeasureByteModels("abab", "aba");
  const double p1 = 3.0 / 260.0;  // of a and of b
  EXPECT_NEAR(losses.unigram, -std::log(p1), 1e-12);
  const double b_after_a = (2.0 + 1.0 * p1) / 3.0;  // one kind of follower, seen twice
  const double a_after_b = (1.0 + 1.0 * p1) / 2.0;
  const double a_after_ab = (1.0 + 1.0 * a_after_b) / 2.0;
  EXPECT_NEAR(losses.order2, -(std::log(p1) + std::log(b_after_a) + std::log(a_after_ab)) / 3.0,
              1e-12);
}

TEST(ByteModels, UniformNoiseCostsTheLogOfTheAlphabet) {
  std::string text;
  uint32_t seed = 1;
  for (int i = 0; i < 400000; ++i) {
    seed = seed * 1664525u + 1013904223u;
    text.push_back(static_cast<char>('a' + (seed >> 24) % 16));
  }
  const ByteModelLosses losses = MeasureByteModels(text.substr(0, 300000), text.substr(300000));
  EXPECT_NEAR(losses.unigram, std::log(16.0), 0.01);
  EXPECT_NEAR(losses.order2, std::log(16.0), 0.05);
}

TEST(ByteModels, AnUnseenByteKeepsAFiniteLoss) {
  const ByteModelLosses losses = MeasureByteModels("aaaaaaaa", "\xff\xfe");
  EXPECT_TRUE(std::isfinite(losses.unigram));
  EXPECT_TRUE(std::isfinite(losses.order2));
}

TEST(ByteModels, EveryDistributionSumsToOne) {
  for (const std::string history : {"", "a", "ab", "zz", "az"}) {
    double sum = 0.0;
    for (int c = 0; c < 256; ++c) {
      const std::string text = history + static_cast<char>(c);
      const double total =
          MeasureByteModels("abracadabra", text).order2 * static_cast<double>(text.size());
      const double before = history.empty() ? 0.0
                                            : MeasureByteModels("abracadabra", history).order2 *
                                                  static_cast<double>(history.size());
      sum += std::exp(before - total);
    }
    EXPECT_NEAR(sum, 1.0, 1e-9) << history;
  }
}

}  // namespace
}  // namespace tideway::trainer
