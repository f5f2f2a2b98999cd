#include "core/optim/grace.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::optim {
namespace {

absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

TEST(GraceLength, FollowsTheTableMadeByHand) {
  const SchedulingOptions options;  // 2 x spread, 10 % to 35 %
  struct Row {
    double cycle;
    std::optional<double> spread;
    double length;
  };
  const Row rows[] = {
      {100, std::nullopt, 35},  // nothing observed: the cap
      {100, 0, 10},             // the least
      {100, 4, 10},             // 8 < 10
      {100, 8, 16},             // twice the spread
      {100, 17.5, 35},
      {100, 60, 35},  // the cap
      {29, 2.36, 4.72},
      {0, 5, 0},
  };
  for (const Row& row : rows) {
    std::optional<absl::Duration> spread;
    if (row.spread.has_value()) spread = absl::Seconds(*row.spread);
    EXPECT_NEAR(absl::ToDoubleSeconds(GraceLength(options, absl::Seconds(row.cycle), spread)),
                row.length, 1e-6)
        << row.cycle << " " << row.spread.value_or(-1);
  }
}

TEST(ArrivalSpread, IsTheLargestLagWithinOneReleaseAndFades) {
  ArrivalSpread spread;
  const absl::Duration lag_max = absl::Seconds(10);
  spread.Note(7, At(100), lag_max);
  EXPECT_FALSE(spread.value().has_value());
  spread.Note(8, At(103), lag_max);  // of another release: no lag
  EXPECT_FALSE(spread.value().has_value());
  spread.Note(7, At(102), lag_max);
  spread.Note(7, At(104), lag_max);
  spread.Note(8, At(104), lag_max);
  EXPECT_EQ(spread.value(), absl::Seconds(4));
  spread.WindowClosed(8);
  EXPECT_EQ(spread.value(), absl::Seconds(3.6));
  spread.Note(7, At(500), lag_max);  // release 7 is forgotten: this is a first arrival again
  EXPECT_EQ(spread.value(), absl::Seconds(3.6));
  spread.Note(8, At(500), lag_max);
  EXPECT_EQ(spread.value(), lag_max);
}

}  // namespace
}  // namespace tideway::optim
