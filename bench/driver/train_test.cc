// tideway-bench train-step.

#include <algorithm>
#include <cmath>
#include <ctime>
#include <string>
#include <vector>

#include "bench/driver/command_testing.h"
#include "bench/driver/sizes.h"
#include "bench/peer/inner_steps.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/exit_status.h"

namespace bench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tideway::tools::kDoneStatus;
using tideway::tools::kUsageStatus;
using Json = nlohmann::json;

// Of this thread: what neighbours take from it does not count.
double CpuSecondsOf(InnerSteps& steps, size_t count) {
  const auto now = [] {
    timespec time = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double begun = now();
  (void)steps.Run(count);
  return now() - begun;
}

TEST(InnerSteps, TwiceTheStepsTakeAboutTwiceAsLong) {
  InnerSteps steps(1e-4);
  double one = HUGE_VAL;
  double two = HUGE_VAL;
  for (int i = 0; i < 6; ++i) {  // the quickest of some: cold caches only ever make it slower
    one = std::min(one, CpuSecondsOf(steps, 20));
    two = std::min(two, CpuSecondsOf(steps, 40));
  }
  EXPECT_GT(two / one, 1.4);
  EXPECT_LT(two / one, 2.8);
  EXPECT_GT(one, 20 * 0.2e-4);
}

TEST(Parameters, AreListsOfNumbersInPowersOfTen) {
  EXPECT_THAT(*ParseParameters("1000,25M"), ElementsAre(4000, 100000000));
  for (const char* text : {"", "0", "1,", "1Mi", "5G", "-1", "1..2", "1.5M"}) {
    EXPECT_FALSE(ParseParameters(text).ok()) << text;
  }
}

TEST(TrainStep, UtilisationIsWhatCommunicationLeaves) {
  const Answer answer =
      Ask(Short({"train-step", "--parameters", "20K", "--every", "3", "--step-ms", "0.5", "--codec",
                 "identity", "--codec", "int8", "--json", "-"}));
  ASSERT_EQ(answer.status, kDoneStatus) << answer.err;
  const Json json = answer.json();
  ASSERT_EQ(json["results"].size(), 2u);
  for (const Json& result : json["results"]) {
    EXPECT_EQ(result["subcommand"], "train-step");
    EXPECT_EQ(result["parameters"], 20000);
    EXPECT_EQ(result["inner_steps"], 3);
    EXPECT_GT(result["utilisation"].get<double>(), 0);
    EXPECT_NEAR(result["utilisation"].get<double>() + result["communication_share"].get<double>(),
                1, 1e-9);
    EXPECT_GE(result["waiting_share"].get<double>(), 0);
    EXPECT_LT(result["waiting_share"].get<double>(), 1);
    EXPECT_GT(result["step_us"].get<double>(), 100);
    EXPECT_GT(result["communication_cpu"].get<double>(), 0);
    EXPECT_NEAR(
        result["slowdown_beyond_cpu"].get<double>() + result["communication_cpu"].get<double>(),
        result["slowdown"].get<double>(), 1e-9)
        << "of a single round";
    EXPECT_GT(result["step_cpu_increase"].get<double>(), -1);
    EXPECT_GT(result["latency_us"]["p50"].get<double>(), 0);
    EXPECT_TRUE(result["verified"].get<bool>());
  }
}

TEST(TrainStep, WithoutOverlapEveryExchangeIsWaitedFor) {
  const Answer answer = Ask(Short({"train-step", "--parameters", "1M", "--every", "1", "--step-ms",
                                   "0.1", "--no-overlap", "--json", "-"}));
  ASSERT_EQ(answer.status, kDoneStatus) << answer.err;
  const Json result = answer.json()["results"][0];
  EXPECT_FALSE(result["overlap"].get<bool>());
  EXPECT_GT(result["waiting_share"].get<double>(), 0.5)
      << "8 MB there and back, and 0.1 ms of steps";
  EXPECT_LT(result["utilisation"].get<double>(), 0.5);
}

TEST(TrainStep, PrintsATableAndRefusesWhatMakesNoSense) {
  const Answer answer =
      Ask(Short({"train-step", "--parameters", "1K", "--every", "1,2", "--step-ms", "0.1"}));
  EXPECT_EQ(answer.status, kDoneStatus) << answer.err;
  EXPECT_THAT(answer.out, AllOf(HasSubstr("utilisation"), HasSubstr("steps slower by")));
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"train-step", "--every", "0"},
                                             {"train-step", "--parameters", "many"},
                                             {"train-step", "--step-ms", "-1"},
                                             {"train-step", "--size", "4KiB"}}) {
    const Answer refused = Ask(wrong);
    EXPECT_EQ(refused.status, kUsageStatus);
    EXPECT_THAT(refused.err, HasSubstr("see tideway-bench train-step --help")) << refused.err;
  }
}

}  // namespace
}  // namespace bench
