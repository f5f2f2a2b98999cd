#include "bench/driver/report.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "bench/driver/chart.h"
#include "bench/driver/compare.h"
#include "bench/driver/result.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace bench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

Json ResultOf(const std::string& subcommand, size_t size_bytes, double value, double spread) {
  return {{"subcommand", subcommand},
          {"transport", "tcp"},
          {"codec", "topk:density=0.1,values=bf16"},
          {"size_bytes", size_bytes},
          {"goodput_gbytes_per_s", value},
          {"goodput_interval", {value - spread, value + spread}},
          {"latency_us", {{"p50", value}}},
          {"latency_p50_interval_us", {value - spread, value + spread}}};
}

Json RunOf(const std::vector<Json>& results) { return {{"schema", kSchema}, {"results", results}}; }

TEST(Report, CsvHasALinePerResultAndQuotesCodecs) {
  const std::string csv = RunCsv(RunOf({ResultOf("push", 4096, 2.5, 0.5)}));
  EXPECT_THAT(csv, HasSubstr("subcommand,transport,size_bytes,codec,goodput_gbytes_per_s"));
  EXPECT_THAT(csv, HasSubstr("\npush,tcp,4096,\"topk:density=0.1,values=bf16\",2.5,2,3,2.5,,"));
}

TEST(Report, APageHoldsItsPicturesAndNothingFromElsewhere) {
  Json run = RunOf({ResultOf("push", 4096, 1, 0.1), ResultOf("push", 65536, 2, 0.1)});
  run["commit"] = "<script>";
  const std::string html = RunHtml(run);
  EXPECT_THAT(html, AllOf(HasSubstr("<svg"), HasSubstr("push: goodput, GB/s"), HasSubstr("64 KiB"),
                          HasSubstr("&lt;script&gt;"), Not(HasSubstr("<script")),
                          Not(HasSubstr("src=")), Not(HasSubstr("href="))));
}

TEST(Report, ALineOfOneSizeIsLeftOutOfThePictures) {
  Json single = ResultOf("push", 4096, 1, 0.1);
  single["codec"] = "lonely";
  const Json run = RunOf({ResultOf("push", 4096, 1, 0.1), single, ResultOf("push", 65536, 2, 0.1)});
  const std::vector<NamedPicture> pictures = RunPictures(run);
  ASSERT_FALSE(pictures.empty());
  for (const NamedPicture& picture : pictures) {
    EXPECT_THAT(picture.svg, AllOf(HasSubstr("topk"), Not(HasSubstr("lonely")))) << picture.name;
  }
  EXPECT_TRUE(RunPictures(RunOf({single})).empty());
}

TEST(Report, PicturesShowEveryPointOnceAndStayWithinTheirFrame) {
  Chart chart = {.title = "a", .unit = "b", .logarithmic = true};
  chart.series = {{.name = "x", .points = {{4096, 0.02, 0.01, 0.03}, {8192, 700, 700, 1e9}}},
                  {.name = "zero", .points = {{4096, 0, 0, 0}}}};
  const std::string svg = ToSvg(chart);
  size_t circles = 0;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1)) {
    ++circles;
  }
  EXPECT_EQ(circles, 2u);
  EXPECT_THAT(svg, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf")), Not(HasSubstr("\"-"))));
}

TEST(Report, APictureOfNothingIsAPictureAllTheSame) {
  EXPECT_THAT(ToSvg({.title = "empty", .unit = "s"}), HasSubstr("</svg>"));
}

TEST(Report, AFileThatIsNoRunIsRefused) {
  const std::string file = ::testing::TempDir() + "/no_run.json";
  for (const char* text : {"", "[]", "{}", R"({"schema": "tideway-bench/1", "results": [7]})",
                           R"({"schema": "tideway-bench/2", "results": []})"}) {
    std::ofstream(file) << text;
    EXPECT_THAT(std::string(ReadRun(file).status().message()), HasSubstr("lacks the schema"));
  }
  std::filesystem::remove(file);
  EXPECT_THAT(std::string(ReadRun(file).status().message()), HasSubstr("can't read "));
}

TEST(Compare, WorseBeyondThresholdAndIntervalsIsARegression) {
  const Json before = RunOf({ResultOf("push", 4096, 10, 0.2)});
  const auto after = [&](double value, double spread) {
    return Compare(before, RunOf({ResultOf("push", 4096, value, spread)}), 0.05).changes.at(0);
  };
  EXPECT_TRUE(after(9, 0.2).regression);
  EXPECT_FALSE(after(9, 2).regression) << "the intervals overlap";
  EXPECT_FALSE(after(9.7, 0.01).regression) << "within the threshold";
  EXPECT_FALSE(after(12, 0.2).regression);
  EXPECT_DOUBLE_EQ(after(9, 0.2).ratio, 0.9);
}

TEST(Compare, ALongerLatencyIsWorse) {
  const Json before = RunOf({ResultOf("latency", 4096, 10, 0.1)});
  const Json slower = RunOf({ResultOf("latency", 4096, 12, 0.1)});
  EXPECT_TRUE(Compare(before, slower, 0.05).changes.at(0).regression);
  EXPECT_FALSE(Compare(slower, before, 0.05).changes.at(0).regression);
}

TEST(Compare, RatiosToRawGoBeforeAbsoluteFigures) {
  Json before = ResultOf("push", 4096, 10, 0.1);
  Json after = ResultOf("push", 4096, 5, 0.1);  // a machine half as quick
  for (Json* result : {&before, &after}) {
    (*result)["ratio_to_raw"] = 0.9;
    (*result)["ratio_to_raw_interval"] = {0.89, 0.91};
  }
  const Comparison comparison = Compare(RunOf({before}), RunOf({after}), 0.05);
  EXPECT_FALSE(comparison.changes.at(0).regression);
  EXPECT_THAT(ComparisonTable(comparison), HasSubstr("ratio to raw"));
}

TEST(Compare, CasesOfOneRunOnlyAreNamed) {
  const Comparison comparison =
      Compare(RunOf({ResultOf("push", 4096, 1, 0)}), RunOf({ResultOf("pull", 4096, 1, 0)}), 0.05);
  EXPECT_TRUE(comparison.changes.empty());
  EXPECT_THAT(comparison.only_before, ElementsAre("push tcp topk:density=0.1,values=bf16 4 KiB"));
  EXPECT_EQ(comparison.only_after.size(), 1u);
}

}  // namespace
}  // namespace bench
