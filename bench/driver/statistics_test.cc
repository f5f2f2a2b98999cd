#include "bench/driver/statistics.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace bench {
namespace {

TEST(Statistics, TheMedianOfAnEvenNumberLiesBetweenTheMiddleTwo) {
  EXPECT_EQ(MedianOf({4, 1, 3, 2}).median, 2.5);
  EXPECT_EQ(MedianOf({3, 1, 2}).median, 2);
}

TEST(Statistics, FewValuesGiveTheirRangeAndSayWhatItIsWorth) {
  const Estimate five = MedianOf({5, 1, 2, 4, 3});
  EXPECT_EQ(five.low, 1);
  EXPECT_EQ(five.high, 5);
  EXPECT_DOUBLE_EQ(five.confidence, 1 - 2.0 / 32);
  EXPECT_EQ(MedianOf({7}).confidence, 0);
}

TEST(Statistics, NineValuesLeaveTheOutermostOut) {
  // P(Binomial(9, 1/2) <= 1) = 10 / 512, as in tables of the sign test.
  const Estimate nine = MedianOf({9, 8, 7, 6, 5, 4, 3, 2, 100});
  EXPECT_EQ(nine.low, 3);
  EXPECT_EQ(nine.high, 9);
  EXPECT_DOUBLE_EQ(nine.confidence, 1 - 20.0 / 512);
}

TEST(Statistics, IntervalsHoldTheTrueMedianAsOftenAsTheySay) {
  std::mt19937_64 random(1);
  std::exponential_distribution<double> draw(1);
  const double truth = 0.6931471805599453;
  int held = 0;
  for (int i = 0; i < 4000; ++i) {
    std::vector<double> values(12);
    for (double& value : values) value = draw(random);
    const Estimate estimate = MedianOf(values);
    held += estimate.low <= truth && truth <= estimate.high;
  }
  EXPECT_NEAR(held / 4000.0, MedianOf(std::vector<double>(12, 1.0)).confidence, 0.01);
}

TEST(Statistics, RatiosAreOfPairs) {
  // Both halve together from one pair to the next, as under a noisy neighbour: the ratio stays.
  const Estimate ratio = RatioOf({8, 4, 2}, {4, 2, 1});
  EXPECT_EQ(ratio.median, 2);
  EXPECT_EQ(ratio.low, 2);
  EXPECT_EQ(ratio.high, 2);
}

}  // namespace
}  // namespace bench
