#include "bench/driver/breakdown.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bench/driver/bars.h"
#include "bench/driver/command_testing.h"
#include "bench/driver/trace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/exit_status.h"

namespace bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using tideway::tools::kDoneStatus;
using tideway::tools::kUsageStatus;
using Json = nlohmann::json;

// Begun at `begun`, and then `step` in each stage.
FragmentTimes Steady(int64_t sequence, int64_t begun, int64_t step) {
  FragmentTimes times = {.sequence = sequence, .fragment = sequence % 2, .bytes = 100};
  for (size_t i = 0; i < times.at_ns.size(); ++i) {
    times.at_ns[i] = begun + static_cast<int64_t>(i) * step;
  }
  return times;
}

double At(const Json& result, const char* stage, const char* key) {
  for (const Json& one : result["breakdown"]["stages"]) {
    if (one["stage"] == stage) return one[key].get<double>();
  }
  ADD_FAILURE() << "no stage " << stage;
  return -1;
}

TEST(Stages, WhatBothEndsNotedOfOneFragmentIsPutTogether) {
  const Json client = {{"client", {{7, 1, 100, 10, 20, 30, 90}, {8, 0, 100, 10, 20, 30, 95}}}};
  const Json server = {{"server", {{9, 0, 1, 2, 3, 4, 5}, {7, 1, 40, 50, 60, 70, 80}}}};
  const auto joined = JoinStages(client, server);
  ASSERT_TRUE(joined.ok()) << joined.status();
  ASSERT_THAT(*joined, SizeIs(1)) << "the server does not know 8, nor the client 9";
  EXPECT_EQ(joined->front().sequence, 7);
  for (size_t i = 0; i < kStages.size(); ++i) EXPECT_EQ(joined->front().took_ns(i), 10);
}

TEST(Stages, ClocksThatFitBadlyGiveNoStageLessThanNothing) {
  const auto joined = JoinStages({{"client", {{7, 1, 100, 10, 20, 30, 90}}}},
                                 {{"server", {{7, 1, 28, 29, 60, 70, 80}}}});
  ASSERT_TRUE(joined.ok());
  EXPECT_EQ(joined->front().took_ns(2), 0);
  EXPECT_EQ(joined->front().took_ns(4), 30);
}

TEST(Stages, AnAnswerThatIsNoneIsAnError) {
  for (const char* text : {"{}", R"({"client": 1})", R"({"client": [[1, 2]]})",
                           R"({"client": [[1, 2, 3, 4, 5, 6, "x"]]})"}) {
    EXPECT_FALSE(JoinStages(Json::parse(text), {{"server", Json::array()}}).ok()) << text;
  }
}

TEST(Breakdown, AStageThatTwoFragmentsShareCountsOnceOfTheirPush) {
  // Two fragments of one push: the second is in every stage when the first is.
  const Breakdown breakdown = BreakDown({Steady(1, 0, 1000), Steady(2, 0, 1000)});
  EXPECT_EQ(breakdown.pushes, 1u);
  EXPECT_NEAR(breakdown.push_p50_us, 8, 0.1);
  double all = 0;
  for (const StageSummary& stage : breakdown.stages) {
    EXPECT_DOUBLE_EQ(stage.mean_us, 1);
    all += stage.of_push;
  }
  EXPECT_DOUBLE_EQ(all, 1);
}

TEST(Breakdown, APushThatTheLogHasOnlyAPartOfIsNoPush) {
  const Breakdown breakdown =
      BreakDown({Steady(2, 0, 1000), Steady(3, 500, 1000), Steady(4, 500, 2000)});
  EXPECT_EQ(breakdown.fragments, 3u);
  EXPECT_EQ(breakdown.pushes, 1u);
  EXPECT_NEAR(breakdown.push_p50_us, 16, 0.1);
}

TEST(Trace, SlicesOfOneLaneDoNotOverlap) {
  Trace trace;
  trace.Add("a \"case\"", {Steady(1, 0, 10), Steady(2, 5, 10), Steady(3, 100, 10)});
  const Json json = Json::parse(trace.ToString(), nullptr, false);
  std::map<std::pair<int, int>, std::vector<std::pair<double, double>>> lanes;
  std::set<std::string> names;
  for (const Json& event : json["traceEvents"]) {
    if (event["ph"] != "X") continue;
    lanes[{event["pid"], event["tid"]}].emplace_back(event["ts"], event["dur"]);
    names.insert(event["name"].get<std::string>());
  }
  EXPECT_THAT(names, SizeIs(kStages.size()));
  EXPECT_GT(lanes.size(), 3u) << "the first two fragments overlap everywhere";
  for (auto& [lane, slices] : lanes) {
    std::sort(slices.begin(), slices.end());
    for (size_t i = 1; i < slices.size(); ++i) {
      EXPECT_LE(slices[i - 1].first + slices[i - 1].second, slices[i].first + 1e-9);
    }
  }
}

TEST(Trace, OfManyFragmentsTheLatestAreShown) {
  std::vector<FragmentTimes> many;
  for (int64_t i = 0; i < 2000; ++i) many.push_back(Steady(i, i * 1000, 10));
  Trace trace;
  trace.Add("many", many);
  const std::string text = trace.ToString();
  EXPECT_THAT(text, AllOf(HasSubstr("\"sequence\":1999"), Not(HasSubstr("\"sequence\":900,"))));
}

TEST(Bars, PartsOfABarFollowOneAnother) {
  const std::string svg =
      ToSvg({.title = "t", .unit = "us", .parts = {"a", "b"}, .bars = {{"<one>", {1, 3}}}});
  EXPECT_THAT(svg,
              AllOf(HasSubstr("&lt;one&gt;"), HasSubstr("x=\"330.0\" y=\"74.0\" width=\"135.0\""),
                    HasSubstr("x=\"465.0\" y=\"74.0\" width=\"405.0\"")));
  EXPECT_THAT(ToSvg({.title = "t", .unit = "us", .parts = {"a"}, .bars = {{"none", {0}}}}),
              HasSubstr("</svg>"));
}

TEST(BreakdownCommand, RealPushesGiveATableEveryStageInJsonAndATrace) {
  const std::string trace = ::testing::TempDir() + "/trace.json";
  const Answer answer = Ask(Short({"push", "--size", "64KiB", "--fragment", "16KiB", "--codec",
                                   "int8", "--trace", trace, "--json", "-"}));
  ASSERT_EQ(answer.status, kDoneStatus) << answer.err;
  const Json result = answer.json()["results"][0];
  EXPECT_EQ(result["breakdown"]["stages"].size(), kStages.size());
  EXPECT_GT(result["breakdown"]["pushes"].get<int>(), 0);
  for (const char* stage : {"encode", "receive", "decode-add", "optimizer", "ack"}) {
    EXPECT_GT(At(result, stage, "mean_us"), 0) << stage;
    EXPECT_LE(At(result, stage, "of_push"), 1) << stage;
  }
  // Every push's time is made of its fragments' stages.
  double all = 0;
  for (const Stage& stage : kStages) all += At(result, stage.name, "of_push");
  EXPECT_GE(all, 1 - 1e-9);
  const Json events = Json::parse(std::ifstream(trace), nullptr, false)["traceEvents"];
  EXPECT_GT(events.size(), 4 * kStages.size());
  std::filesystem::remove(trace);
}

TEST(BreakdownCommand, BothEndsInOneProcessTellTheirsToo) {
  const Answer answer =
      Ask(Short({"latency", "--transport", "inproc", "--size", "4KiB", "--breakdown"}));
  EXPECT_EQ(answer.status, kDoneStatus) << answer.err;
  EXPECT_THAT(answer.out, AllOf(HasSubstr("stage of a fragment"), HasSubstr("\nserver queue"),
                                HasSubstr("latency inproc identity 4 KiB")));
}

TEST(BreakdownCommand, WhoDoesNotAskGetsNone) {
  const Answer answer = Ask(Short({"push", "--size", "4KiB", "--json", "-"}));
  ASSERT_EQ(answer.status, kDoneStatus) << answer.err;
  EXPECT_FALSE(answer.json()["results"][0].contains("breakdown"));
}

TEST(BreakdownCommand, TwoHostsAreRefusedWithTheReason) {
  const Answer answer = Ask({"push", "--breakdown", "--connect", "tcp://127.0.0.1:7411"});
  EXPECT_EQ(answer.status, kUsageStatus);
  EXPECT_THAT(answer.out, IsEmpty());
  EXPECT_THAT(answer.err, HasSubstr("the clocks of two do not agree"));
}

}  // namespace
}  // namespace bench
