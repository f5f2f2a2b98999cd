// The pure parts: finite scan, merge arithmetic, the step meter.

#include <limits>

#include "core/client/finite.h"
#include "core/client/merge.h"
#include "core/client/step_meter.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway {
namespace {

using ::testing::ElementsAre;

TEST(Finite, FindsTheFirstBadElementWhereverItStands) {
  for (size_t at : {0, 1, 1023, 1024, 5000, 9999}) {
    std::vector<float> values(10000, std::numeric_limits<float>::max());
    values[at] = std::numeric_limits<float>::infinity();
    EXPECT_EQ(FindNonFinite(values), at);
    values[9999] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(FindNonFinite(values), at);
  }
}

TEST(Finite, AcceptsEveryFiniteValue) {
  const std::vector<float> values = {0.0f, -0.0f, std::numeric_limits<float>::max(),
                                     std::numeric_limits<float>::lowest(),
                                     std::numeric_limits<float>::denorm_min()};
  EXPECT_EQ(FindNonFinite(values), values.size());
}

TEST(Merge, RebaseKeepsWhatWasLearnedDuringTheExchange) {
  std::vector<float> now = {5, 7};
  merge::Rebase(std::vector<float>{10, 20}, std::vector<float>{4, 9}, absl::MakeSpan(now));
  EXPECT_THAT(now, ElementsAre(11, 18));
}

TEST(Merge, MixWeighsTheLocalParametersWithAlpha) {
  std::vector<float> now = {4, 8};
  merge::Mix(std::vector<float>{8, 0}, 0.25f, absl::MakeSpan(now));
  EXPECT_THAT(now, ElementsAre(7, 2));
}

TEST(Merge, ADeltaTellsWhetherItIsFinite) {
  std::vector<float> delta(2);
  EXPECT_TRUE(
      merge::MakeDelta(std::vector<float>{3, 4}, std::vector<float>{1, 5}, absl::MakeSpan(delta)));
  EXPECT_THAT(delta, ElementsAre(2, -1));
  EXPECT_FALSE(merge::MakeDelta(std::vector<float>{3, 4},
                                std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()},
                                absl::MakeSpan(delta)));
}

TEST(StepMeter, CountsTheTrainersTimeAsBusyAndBlockedTimeAsWaiting) {
  StepMeter meter;
  absl::Time now = absl::UnixEpoch();
  meter.Resume(now);
  for (int step = 0; step < 4; ++step) {
    now += absl::Milliseconds(500);
    meter.Step(now, 2.0, 100);
    now += absl::Milliseconds(250);  // inside the library
    meter.Waited(absl::Milliseconds(250));
    meter.Resume(now);
  }
  EXPECT_EQ(meter.status().inner_step, 4u);
  EXPECT_DOUBLE_EQ(meter.status().busy_seconds, 2.0);
  EXPECT_DOUBLE_EQ(meter.status().waiting_seconds, 1.0);
  EXPECT_DOUBLE_EQ(meter.status().tokens_per_second, 200.0);
  EXPECT_DOUBLE_EQ(meter.status().loss, 2.0);
  EXPECT_DOUBLE_EQ(meter.TakeBusySeconds(), 2.0);
  EXPECT_DOUBLE_EQ(meter.TakeBusySeconds(), 0.0);
}

}  // namespace
}  // namespace tideway
