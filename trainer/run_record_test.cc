#include "trainer/run_record.h"

#include <cmath>
#include <regex>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "trainer/report.h"

namespace tideway::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

WorkerStats Worker(const std::string& name, uint64_t step, double loss) {
  WorkerStats w;
  w.name = name;
  w.active = true;
  w.status.inner_step = step;
  w.status.loss = loss;
  w.status.tokens_per_second = 25000;
  w.status.busy_seconds = 9;
  w.status.waiting_seconds = 1;
  w.pushes = 10;
  w.staleness_mean = 1.0;
  w.staleness_max = 3;
  w.bytes_up = 1000 * step;
  w.bytes_up_fp32 = 4000 * step;
  w.bytes_down = 2000 * step;
  w.bytes_down_fp32 = 4000 * step;
  return w;
}

RunRecord Example() {
  RunRecord record;
  record.settings = {{"--codec", "int8:block=256"}, {"--data", "<text>"}};
  record.parameters = 1000;
  record.tokens_per_step = 512;
  record.workers = 2;
  record.seed = 7;
  record.yardsticks = {3.1, 1.8};
  record.loss_before = 5.5;
  record.loss_after = 1.4;
  record.seconds = 120;
  record.text_sample = "In the <beginning>\xff";
  record.incidents = {"worker-1 was killed by signal 9"};
  for (int i = 1; i <= 40; ++i) {
    StatsSample sample = {.seconds = 3.0 * i, .stats = {}};
    sample.stats.steps_finished = static_cast<uint64_t>(100 * i);
    sample.stats.version_max = static_cast<uint64_t>(2 * i);
    sample.stats.staleness_histogram = {static_cast<uint64_t>(i), 5, 2, 0, 0};
    const uint64_t step = static_cast<uint64_t>(50 * i);
    sample.stats.workers = {Worker("worker-0", step, 1.3 + 4.0 / i),
                            Worker("worker-1", step, 1.35 + 3.8 / i)};
    record.samples.push_back(sample);
    record.evaluations.push_back({sample.seconds, sample.stats.steps_finished, 1.4 + 4.2 / i});
  }
  return record;
}

TEST(MergeStats, SumsTrafficByWorkerAndWeighsStalenessByPushes) {
  ServerStats one, two;
  one.workers = {Worker("a", 1, 0), Worker("b", 1, 0)};
  two.workers = {Worker("b", 1, 0)};
  two.workers[0].pushes = 30;
  two.workers[0].staleness_mean = 3.0;
  two.workers[0].staleness_max = 9;
  one.staleness_histogram = {1, 2};
  two.staleness_histogram = {1, 2, 3};
  one.outer_steps = 5;
  two.outer_steps = 7;
  const ServerStats all = MergeStats({one, two});
  ASSERT_EQ(all.workers.size(), 2u);
  EXPECT_EQ(all.workers[0].bytes_up, 1000u);
  EXPECT_EQ(all.workers[1].bytes_up, 2000u);
  EXPECT_EQ(all.workers[1].pushes, 40u);
  EXPECT_DOUBLE_EQ(all.workers[1].staleness_mean, 2.5);
  EXPECT_EQ(all.workers[1].staleness_max, 9u);
  EXPECT_THAT(all.staleness_histogram, ::testing::ElementsAre(2u, 4u, 3u));
  EXPECT_EQ(all.outer_steps, 12u);
  EXPECT_TRUE(MergeStats({}).workers.empty());
}

TEST(RunFigures, MatchHandComputedOnes) {
  const RunFigures f = MakeFigures(Example());
  EXPECT_EQ(f.steps, 4000u);
  EXPECT_EQ(f.tokens, 4000u * 512u);
  EXPECT_EQ(f.bytes_up, 4000000u);
  EXPECT_DOUBLE_EQ(f.ratio_up_fp32, 4.0);
  EXPECT_DOUBLE_EQ(f.ratio_up_bf16, 2.0);
  EXPECT_DOUBLE_EQ(f.bits_per_parameter_up, 8.0);
  EXPECT_DOUBLE_EQ(f.ratio_down_fp32, 2.0);
  EXPECT_DOUBLE_EQ(f.data_parallel_bytes, 8.0 * 1000 * 4000);
  EXPECT_DOUBLE_EQ(f.data_parallel_ratio, 32e6 / 12e6);
  EXPECT_DOUBLE_EQ(f.staleness_mean, 1.0);
  EXPECT_EQ(f.staleness_max, 3u);
  ASSERT_EQ(f.utilisation.size(), 2u);
  EXPECT_DOUBLE_EQ(f.utilisation[0].second, 0.9);
  // 1.4 + 4.2 / i falls below 1.8 at i = 11.
  EXPECT_DOUBLE_EQ(f.seconds_to_order2, 33.0);
  EXPECT_EQ(f.steps_to_order2, 1100u);
}

TEST(RunFigures, ARunWithoutAnySampleHasNoFiguresButStillAReport) {
  RunRecord record;
  EXPECT_EQ(MakeFigures(record).steps, 0u);
  EXPECT_THAT(RenderReport(record), HasSubstr("</html>"));
  EXPECT_THAT(RenderSummary(record), Not(HasSubstr("nan")));
}

TEST(Summary, NamesLossesYardsticksAndTraffic) {
  const std::string text = RenderSummary(Example());
  for (const char* part :
       {"1.4000 nats per byte (perplexity 4.055)", "Unigram", "Order-2", "33s, 1100 local updates",
        "4.00 x less than fp32", "data parallelism", "Utilisation of worker-1"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(Metrics, EachLineIsOneJsonObject) {
  const RunRecord record = Example();
  for (const std::string& line :
       {ToJsonLine(record.samples[0]), ToJsonLine(record.evaluations[0]), FinalJsonLine(record)}) {
    EXPECT_THAT(line, Not(HasSubstr("\n")));
    const auto json = nlohmann::json::parse(line, nullptr, false);
    ASSERT_TRUE(json.is_object()) << line;
    EXPECT_TRUE(json.contains("kind"));
  }
  const auto final_line = nlohmann::json::parse(FinalJsonLine(record));
  EXPECT_EQ(final_line["held_out_loss"], 1.4);
  EXPECT_EQ(final_line["bytes_up"], 4000000);
}

TEST(Report, IsSelfContainedAndEscapesWhatItWasGiven) {
  const std::string html = RenderReport(Example());
  for (const char* outside : {"http://", "https://", "<script", "<link", "<img", "nan", "inf'"}) {
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(html, HasSubstr("In the &lt;beginning&gt;\u00b7"));
  EXPECT_THAT(html, HasSubstr("&lt;text&gt;"));
  EXPECT_THAT(html, HasSubstr("worker-1 was killed by signal 9"));
  EXPECT_THAT(html, HasSubstr("prefers-color-scheme:dark"));
}

TEST(Report, EveryTagThatOpensCloses) {
  const std::string html = RenderReport(Example());
  std::vector<std::string> open;
  const std::regex tag("<(/?)([a-z0-9]+)([^>]*)>");
  for (std::sregex_iterator it(html.begin(), html.end(), tag), end; it != end; ++it) {
    const std::string name = (*it)[2], rest = (*it)[3];
    if (name == "meta" || (!rest.empty() && rest.back() == '/')) continue;
    if ((*it)[1].length() == 0) {
      open.push_back(name);
    } else {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), name);
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty());
}

}  // namespace
}  // namespace tideway::trainer
