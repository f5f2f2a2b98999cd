#include "trainer/schedule.h"

#include "gtest/gtest.h"

namespace tideway::trainer {
namespace {

constexpr Schedule kSchedule = {.peak = 1.0, .final_ratio = 0.1, .warmup_share = 0.2};

TEST(Schedule, WarmsUpLinearlyToThePeakAndFallsAlongACosine) {
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 0.0), 0.1);
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 0.1), 0.55);
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 0.2), 1.0);
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 0.6), 0.55);
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 1.0), 0.1);
}

TEST(Schedule, ProgressOutsideTheScheduleIsClampedToARateAboveZero) {
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, 7.0), 0.1);
  EXPECT_DOUBLE_EQ(LearningRate(kSchedule, -1.0), 0.1);
}

TEST(Schedule, NeverRisesAfterTheWarmUp) {
  double last = LearningRate(kSchedule, 0.2);
  for (double p = 0.2; p <= 1.0; p += 0.01) {
    const double rate = LearningRate(kSchedule, p);
    EXPECT_LE(rate, last + 1e-12) << p;
    last = rate;
  }
}

TEST(Schedule, NoWarmUpStartsAtThePeak) {
  EXPECT_DOUBLE_EQ(LearningRate({.peak = 1.0, .warmup_share = 0.0}, 0.0), 1.0);
}

}  // namespace
}  // namespace tideway::trainer
