#include "trainer/progress.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ProgressView TwoWorkers() {
  ProgressView view = {.title = "async"};
  view.seconds = 30;
  view.seconds_left = 90;
  view.steps = 250;
  view.steps_target = 1000;
  view.version = 12;
  view.held_out_loss = 1.83;
  WorkerRow row = {.name = "worker-0", .state = "training"};
  row.inner_step = 130;
  row.loss = 1.91;
  row.tokens_per_second = 25300;
  row.staleness_mean = 0.5;
  row.staleness_max = 2;
  row.bytes_up = 4400000;
  row.bytes_down = 8700000;
  row.ratio_up = 3.94;
  view.workers = {row, WorkerRow{.name = "worker-1", .state = "joining"}};
  return view;
}

TEST(Progress, ShowsEachWorkersFiguresAndTheBar) {
  const std::string text = RenderProgress(TwoWorkers(), 100);
  for (const char* part :
       {"worker-0", "130", "1.910", "25.3k", "0.5 (2)", "4.40 MB", "8.70 MB", "3.9x", "training",
        "joining", "steps 250/1000", "version 12", "held-out 1.830", " 25%", "30s, 1m30s left"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, HasSubstr("[###############"));
}

TEST(Progress, NoLineIsWiderThanTheTerminalAndNarrowOnesKeepTheWorkerAndItsStep) {
  for (size_t width : {20u, 33u, 50u, 79u, 80u, 200u}) {
    const std::string text = RenderProgress(TwoWorkers(), width);
    for (absl::string_view line : absl::StrSplit(text, '\n')) EXPECT_LE(line.size(), width);
    EXPECT_THAT(text, HasSubstr("worker-0"));
    EXPECT_THAT(text, HasSubstr("130"));
  }
  EXPECT_THAT(RenderProgress(TwoWorkers(), 40), Not(HasSubstr("ratio")));
}

TEST(Progress, AnEndlessRunShowsNoTarget) {
  ProgressView view = TwoWorkers();
  view.steps_target = 0;
  view.seconds_left = -1;
  EXPECT_THAT(RenderProgress(view, 100), HasSubstr("steps 250  version"));
  EXPECT_THAT(RenderProgress(view, 100), HasSubstr("-- left"));
}

TEST(Progress, ALongNameIsCut) {
  ProgressView view = TwoWorkers();
  view.workers[0].name = std::string(300, 'x');
  EXPECT_THAT(RenderProgress(view, 100), HasSubstr("xxxxxxxxxx "));
}

class PrinterTest : public ::testing::Test {
 protected:
  void SetUp() override { file_ = std::tmpfile(); }
  void TearDown() override { std::fclose(file_); }
  std::string Written() {
    std::rewind(file_);
    std::string text(1 << 16, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file_));
    return text;
  }
  std::FILE* file_ = nullptr;
};

TEST_F(PrinterTest, PlainOutputHasNoEscapesAndOneLineInFiveSeconds) {
  ProgressPrinter printer(file_, /*in_place=*/false);
  ProgressView view = TwoWorkers();
  for (double second : {0.0, 1.0, 4.9, 5.0, 9.0, 10.0}) {
    view.seconds = second;
    printer.Show(view);
  }
  const std::string text = Written();
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

TEST_F(PrinterTest, InPlaceEachViewReplacesTheLastAndMessagesStay) {
  ProgressPrinter printer(file_, /*in_place=*/true);
  printer.Show(TwoWorkers());
  EXPECT_THAT(Written(), Not(HasSubstr("\x1b")));
  printer.Say("worker-1 died");
  EXPECT_THAT(Written(), HasSubstr("\x1b[5A\r\x1b[Jworker-1 died\n"));
  printer.Show(TwoWorkers());
  EXPECT_THAT(Written(), HasSubstr("died\nasync"));
  printer.Show(TwoWorkers());
  printer.Finish();
  printer.Say("done");
  const std::string text = Written();
  EXPECT_THAT(text.substr(text.size() - 20), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace tideway::trainer
