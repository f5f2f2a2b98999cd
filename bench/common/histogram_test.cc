#include "bench/common/histogram.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace bench {
namespace {

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 100; ++value) histogram.Record(value);
  EXPECT_EQ(histogram.Quantile(0.5), 50);
  EXPECT_EQ(histogram.Quantile(0.99), 99);
  EXPECT_EQ(histogram.Quantile(1), 100);
  EXPECT_EQ(histogram.Quantile(0), 1);
}

TEST(Histogram, EveryQuantileIsWithinAFifthOfAPercentOfTheSortedValues) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> draw(11, 2);
  Histogram histogram;
  std::vector<double> values(10'000);
  for (double& value : values) {
    value = std::floor(draw(random));
    histogram.Record(static_cast<uint64_t>(value));
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = values[static_cast<size_t>(std::ceil(share * 10'000)) - 1];
    EXPECT_NEAR(histogram.Quantile(share), exact, 0.002 * exact + 0.5) << share;
  }
}

TEST(Histogram, BucketsFollowOneAnotherWithoutAGap) {
  Histogram histogram;
  double last = -1;
  for (size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    Histogram one;
    ASSERT_TRUE(one.Add(bucket, 1));
    const double middle = one.Quantile(0.5);
    ASSERT_GT(middle, last);
    Histogram again;
    again.Record(static_cast<uint64_t>(middle));
    ASSERT_EQ(again.Filled().front().first, bucket);
    last = middle;
  }
  EXPECT_FALSE(histogram.Add(Histogram::kBuckets, 1));
}

TEST(Histogram, WhatIsTooLongCountsAsTheLongest) {
  Histogram histogram;
  histogram.Record(~uint64_t{0});
  EXPECT_EQ(histogram.Filled().front().first, Histogram::kBuckets - 1);
}

TEST(Histogram, SumsOfHistogramsHoldWhatEachHeld) {
  Histogram one;
  one.Record(10);
  Histogram other;
  for (const auto& [bucket, count] : one.Filled()) EXPECT_TRUE(other.Add(bucket, count));
  other.Record(1'000'000);
  other.Merge(one);
  EXPECT_EQ(other.count(), 3u);
  EXPECT_EQ(other.Quantile(0.5), 10);
}

TEST(Histogram, AnEmptyOneHasNoQuantiles) { EXPECT_EQ(Histogram().Quantile(0.5), 0); }

}  // namespace
}  // namespace bench
