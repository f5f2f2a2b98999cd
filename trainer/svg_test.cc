#include "trainer/svg.h"

#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::trainer {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(Ticks, AreRoundAndInsideTheRange) {
  EXPECT_THAT(Ticks(0, 10, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(Ticks(1.31, 1.58, 3), ElementsAre(DoubleNear(1.4, 1e-9), DoubleNear(1.5, 1e-9)));
  EXPECT_THAT(Ticks(-1, 1, 4), ElementsAre(-1, -0.5, 0, 0.5, 1));
}

TEST(Ticks, AnEmptyOrEndlessRangeHasNone) {
  EXPECT_THAT(Ticks(1, 1, 5), IsEmpty());
  EXPECT_THAT(Ticks(0, INFINITY, 5), IsEmpty());
  EXPECT_THAT(Ticks(NAN, 1, 5), IsEmpty());
}

TEST(LineChart, LeavesOutWhatIsNotFiniteAndEscapesNames) {
  const std::string svg = RenderSvg(
      LineChart{.title = "a<b",
                .x_label = "x",
                .y_label = "y",
                .series = {{.name = "s&t", .points = {{0, 1}, {1, NAN}, {2, INFINITY}, {3, 2}}}},
                .levels = {}});
  EXPECT_THAT(svg, HasSubstr("a&lt;b"));
  EXPECT_THAT(svg, HasSubstr("s&amp;t"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST(LineChart, DrawsNothingButAxesWithoutPoints) {
  const std::string svg = RenderSvg(
      LineChart{.title = "t", .x_label = "x", .y_label = "y", .series = {}, .levels = {}});
  EXPECT_THAT(svg, HasSubstr("</svg>"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(LineChart, ALongSeriesIsThinnedAndKeepsItsEnd) {
  Series series = {.name = "s", .points = {}};
  for (int i = 0; i <= 100000; ++i) series.points.emplace_back(i, i % 7);
  const std::string svg = RenderSvg(
      LineChart{.title = "t", .x_label = "x", .y_label = "y", .series = {series}, .levels = {}});
  EXPECT_LT(svg.size(), 12000u);
  EXPECT_THAT(svg, HasSubstr("546.0,"));  // the right edge
}

TEST(BarChart, EachBarCarriesItsValue) {
  const std::string svg = RenderSvg(BarChart{
      .title = "t", .x_label = "x", .y_label = "y", .bars = {{"0", 10}, {"1", 0}, {"2", 5}}});
  EXPECT_THAT(svg, HasSubstr("<title>0: 10</title>"));
  EXPECT_THAT(svg, HasSubstr("height='0.0' class='bar'><title>1: 0</title>"));
  EXPECT_THAT(RenderSvg(BarChart{}), HasSubstr("</svg>"));
}

}  // namespace
}  // namespace tideway::trainer
