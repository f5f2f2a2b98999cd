#include "core/optim/pace.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::optim {
namespace {

constexpr double kStepSeconds[] = {0.58, 0.75, 1.51, 3.33};

TEST(DyluSteps, FollowTheTableMadeByHand) {
  // floor(.58/.58 50), floor(.58/.75 50 = 38.67), floor(.58/1.51 50 = 19.2), floor(.58/3.33 50 = 8.7)
  const uint32_t steps[] = {50, 38, 19, 8};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(DyluSteps(1 / kStepSeconds[i], 1 / kStepSeconds[0], 50), steps[i]);
  }
  EXPECT_EQ(DyluSteps(0, 7, 50), 50u);     // unknown: as the fastest
  EXPECT_EQ(DyluSteps(0.001, 7, 50), 1u);  // never none
  EXPECT_EQ(DyluSteps(1 / 3.0, 1.0, 3), 1u);
  EXPECT_EQ(DyluSteps(1 / 0.2, 1 / 0.1, 50), 25u);
}

TEST(Pace, AveragesOverAssignments) {
  Pace pace;
  pace.Observe(50, 25, absl::Seconds(27), true);
  EXPECT_DOUBLE_EQ(pace.steps_per_second, 2);
  EXPECT_DOUBLE_EQ(pace.overhead_seconds, 2);
  EXPECT_DOUBLE_EQ(pace.cycle_seconds, 27);
  EXPECT_EQ(pace.Expected(10), absl::Seconds(7));
  pace.Observe(10, 2.5, absl::Seconds(2.5), false);  // twice as fast, but cut short
  EXPECT_DOUBLE_EQ(pace.steps_per_second, 0.7 * 2 + 0.3 * 4);
  EXPECT_DOUBLE_EQ(pace.overhead_seconds, 0.7 * 2);
  EXPECT_DOUBLE_EQ(pace.cycle_seconds, 27);
  const Pace before = pace;
  for (const double busy : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    pace.Observe(50, busy, absl::Seconds(30), true);
  }
  pace.Observe(0, 1, absl::Seconds(30), true);
  EXPECT_DOUBLE_EQ(pace.steps_per_second, before.steps_per_second);
  EXPECT_DOUBLE_EQ(pace.cycle_seconds, before.cycle_seconds);
}

}  // namespace
}  // namespace tideway::optim
