#include "bench/driver/link.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/driver/busy_host.h"
#include "bench/driver/command_testing.h"
#include "bench/driver/crossover.h"
#include "bench/driver/simulated_pushes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/sim_executor.h"
#include "tools/exit_status.h"

namespace bench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tideway::tools::kDoneStatus;
using tideway::tools::kUsageStatus;
using Json = nlohmann::json;

std::vector<std::string> Texts(absl::string_view text) {
  const auto links = ParseLinks(text);
  EXPECT_TRUE(links.ok()) << links.status();
  std::vector<std::string> texts;
  if (links.ok()) {
    for (const Link& link : *links) texts.push_back(link.ToString());
  }
  return texts;
}

TEST(Link, ARateADelayAndALossAreReadAndWritten) {
  EXPECT_THAT(Texts("1gbit,40ms,0.1%"), ElementsAre("1gbit,40ms,0.1%"));
  EXPECT_THAT(Texts("100mbit"), ElementsAre("100mbit"));
  EXPECT_THAT(Texts("1.5mbit,100us"), ElementsAre("1.5mbit,100us"));
  const Link link = (*ParseLinks("1gbit,40ms,0.1%"))[0];
  EXPECT_DOUBLE_EQ(link.bits_per_second, 1e9);
  EXPECT_EQ(link.delay, absl::Milliseconds(40));
  EXPECT_DOUBLE_EQ(link.loss, 0.001);
}

TEST(Link, ARangeOfRatesGoesInStepsOfTenAndHasItsEnd) {
  EXPECT_THAT(Texts("10mbit..5gbit,1ms"),
              ElementsAre("10mbit,1ms", "100mbit,1ms", "1gbit,1ms", "5gbit,1ms"));
  EXPECT_THAT(Texts("1gbit..1gbit"), ElementsAre("1gbit"));
}

TEST(Link, WhatIsNoLinkIsRefusedWithHowToWriteOne) {
  for (const char* text : {"", "1", "1gb", "1gbit,", "1gbit,40", "1gbit,40ms,0.1", "1gbit,40ms,60%",
                           "1gbit,-1ms", "1gbit,2s", "5bit", "1gbit,1m", "2gbit..1gbit",
                           "1gbit,1ms,1%,1", "nangbit", "1gbit,1ms,nan%"}) {
    EXPECT_THAT(std::string(ParseLinks(text).status().message()), HasSubstr("is no link; write"))
        << text;
  }
}

TEST(Link, LossCostsMostWhoTakesItForCongestionAndNothingWhereThereIsNone) {
  const Link clean = {.bits_per_second = 1e9, .delay = absl::Milliseconds(40)};
  Link lossy = clean;
  lossy.loss = 0.001;
  for (const char* congestion : {"reno", "cubic", "bbr"}) {
    EXPECT_DOUBLE_EQ(*TcpBytesPerSecond(clean, congestion), 1e9 / 8) << congestion;
  }
  // Mathis et al.: 1448 bytes / 80 ms * sqrt(1.5 / 0.001).
  EXPECT_NEAR(*TcpBytesPerSecond(lossy, "reno"), 701e3, 1e3);
  EXPECT_NEAR(*TcpBytesPerSecond(lossy, "bbr"), 0.999e9 / 8, 1);
  EXPECT_GE(*TcpBytesPerSecond(lossy, "cubic"), *TcpBytesPerSecond(lossy, "reno"));
  lossy.loss =
      1e-5;  // where cubic is ahead: RFC 9438, table 1 has 187 packets for 80 ms and half of that for less
  EXPECT_GT(*TcpBytesPerSecond(lossy, "cubic"), 1.5 * *TcpBytesPerSecond(lossy, "reno"));
  EXPECT_FALSE(TcpBytesPerSecond(lossy, "vegas").ok());
}

TEST(BusyHost, ATaskThatTakesTimeDelaysWhatItPostsAndKeepsItsCore) {
  tideway::SimExecutor simulation(1);
  BusyHost host(&simulation, 1);
  const absl::Time start = simulation.Now();
  std::vector<std::pair<std::string, absl::Duration>> log;
  const auto note = [&](const char* what) { log.emplace_back(what, host.Now() - start); };
  host.Post([&] {
    host.Spend(absl::Seconds(2));
    note("first");
    host.Post([&] { note("posted by the first"); });
  });
  host.Post([&] {
    host.Spend(absl::Seconds(3));
    note("second");
  });
  simulation.RunUntilIdle();
  EXPECT_THAT(log, ElementsAre(std::pair("first", absl::Seconds(2)),
                               std::pair("posted by the first", absl::Seconds(2)),
                               std::pair("second", absl::Seconds(5))));
  EXPECT_EQ(host.spent(), absl::Seconds(5));
}

TEST(BusyHost, AsManyTasksRunAtOnceAsThereAreCores) {
  tideway::SimExecutor simulation(1);
  BusyHost host(&simulation, 2);
  const absl::Time start = simulation.Now();
  std::vector<absl::Duration> ends;
  for (int i = 0; i < 3; ++i) {
    host.Post([&] {
      host.Spend(absl::Seconds(1));
      ends.push_back(host.Now() - start);
    });
  }
  simulation.RunUntilIdle();
  EXPECT_THAT(ends, ElementsAre(absl::Seconds(1), absl::Seconds(1), absl::Seconds(2)));
}

TEST(BusyHost, ATaskThatWaitsForACoreCanStillBeCancelled) {
  tideway::SimExecutor simulation(1);
  BusyHost host(&simulation, 1);
  bool ran = false;
  host.Post([&] { host.Spend(absl::Seconds(2)); });
  const tideway::TimerId waits = host.PostAt(host.Now(), [&] { ran = true; });
  simulation.RunFor(absl::Seconds(1));
  EXPECT_TRUE(host.Cancel(waits));
  EXPECT_FALSE(host.Cancel(waits));
  simulation.RunUntilIdle();
  EXPECT_FALSE(ran);
}

SimulatedPushes Small(const std::string& codec) {
  return {.delay = absl::Milliseconds(10),
          .bytes_per_second = 1e6,
          .bytes = size_t{1} << 18,
          .fragment_bytes = size_t{1} << 15,
          .codec = codec,
          .cores = 2,
          .pushes = 2};
}

TEST(SimulatedPushes, TakeWhatTheLinkTakes) {
  const auto measured = Simulate(Small("identity"));
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ(measured->bytes, 2u << 18);
  // A quarter of a second on the wire and 20 ms there and back, each; headers and credit take a little.
  EXPECT_GT(measured->seconds, 2 * 0.282);
  EXPECT_LT(measured->seconds, 2 * 0.30);
  EXPECT_EQ(measured->client_cpu_s, 0);
}

TEST(SimulatedPushes, AreTheSameInEveryRun) {
  EXPECT_EQ(Simulate(Small("int8"))->seconds, Simulate(Small("int8"))->seconds);
}

TEST(SimulatedPushes, ASlowCodecIsChargedAndSetsThePace) {
  SimulatedPushes slow = Small("int8");
  const auto quick = Simulate(slow);
  slow.price = {.encode_s_per_byte = 4e-6, .decode_s_per_byte = 1e-6};
  const auto measured = Simulate(slow);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_NEAR(measured->client_cpu_s, 4e-6 * (2 << 18), 1e-3);
  EXPECT_NEAR(measured->server_cpu_s, 1e-6 * (2 << 18), 1e-3);
  // Two cores encode at a time.
  EXPECT_GT(measured->seconds, 0.9 * measured->client_cpu_s / 2);
  EXPECT_LT(measured->seconds, measured->client_cpu_s);
  EXPECT_GT(measured->seconds, 2 * quick->seconds);
}

TEST(SimulatedPushes, SparseCodecsAndWrappersWorkToo) {
  for (const char* codec : {"topk:density=0.01,values=int8", "int8+zstd:level=3"}) {
    const auto measured = Simulate(Small(codec));
    EXPECT_TRUE(measured.ok()) << measured.status();
  }
  EXPECT_TRUE(absl::IsNotFound(Simulate(Small("shrink")).status()));
}

TEST(Crossover, WhoIsNotToldApartFromTheQuickestIsNamed) {
  const std::vector<Winner> winners = Winners({{"1gbit", 4096, "a", {1.0, 0.9, 1.1}},
                                               {"1gbit", 4096, "b", {1.05, 1.0, 1.2}},
                                               {"1gbit", 4096, "c", {0.5, 0.4, 0.6}},
                                               {"10gbit", 4096, "a", {9, 8.9, 9.1}},
                                               {"10gbit", 4096, "c", {2, 2, 2}}});
  ASSERT_EQ(winners.size(), 2u);
  EXPECT_EQ(winners[0].codec, "b");
  EXPECT_THAT(winners[0].not_told_apart, ElementsAre("a"));
  EXPECT_EQ(winners[1].codec, "a");
  EXPECT_THAT(winners[1].not_told_apart, IsEmpty());
  EXPECT_THAT(CrossoverTable(winners), AllOf(HasSubstr("b (not told apart: a)"), HasSubstr(" - ")));
}

TEST(LinkCommand, EachLinkHasItsQuickestCodecInTheTableAndInTheJson) {
  const std::string file = ::testing::TempDir() + "/link.json";
  const std::vector<std::string> words = {"push",     "--link",   "1mbit..10mbit,5ms,0.01%",
                                          "--codec",  "identity", "--codec",
                                          "int8",     "--size",   "256KiB",
                                          "--rounds", "1",        "--seconds",
                                          "0.01",     "--json"};
  std::vector<std::string> to_file = words;
  to_file.push_back(file);
  const Answer table = Ask(to_file, "/nowhere/tideway-bench");
  ASSERT_EQ(table.status, kDoneStatus) << table.err;
  EXPECT_THAT(table.out, AllOf(HasSubstr("quickest\n"), HasSubstr("\n1mbit,5ms,0.01%")));
  std::ifstream opened(file);
  const Json json = Json::parse(opened, nullptr, false);
  ASSERT_EQ(json["results"].size(), 4u);
  EXPECT_EQ(json["results"][0]["transport"], "sim");
  EXPECT_EQ(json["results"][0]["link"], "1mbit,5ms,0.01%");
  EXPECT_GT(json["results"][1]["encode_feedback"]["gbytes_per_s"].get<double>(), 0);
  ASSERT_EQ(json["crossover"].size(), 2u);
  EXPECT_EQ(json["crossover"][0]["codec"], "int8") << "a quarter of the bytes, over a slow link";
  const Answer page = Ask({"report", file, "--html", "-"});
  EXPECT_THAT(page.out, HasSubstr("goodput by the link"));
  std::filesystem::remove(file);
}

TEST(LinkCommand, WhatASimulatedLinkHasNotIsRefused) {
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--raw"},
                                             {"--transport", "tcp"},
                                             {"--breakdown"},
                                             {"--trace", "t.json"},
                                             {"--wait", "spin"},
                                             {"--connect", "tcp://127.0.0.1:1"}}) {
    std::vector<std::string> words = {"push", "--link", "1gbit"};
    words.insert(words.end(), more.begin(), more.end());
    const Answer answer = Ask(words);
    EXPECT_EQ(answer.status, kUsageStatus) << more[0];
    EXPECT_THAT(answer.err, HasSubstr("leave that out")) << answer.err;
  }
  EXPECT_THAT(Ask({"push", "--link", "fast"}).err, HasSubstr("is no link; write RATE"));
  EXPECT_THAT(Ask({"push", "--link", "1gbit,1ms,1%", "--congestion", "vegas"}).err,
              HasSubstr("cubic, reno or bbr"));
}

}  // namespace
}  // namespace bench
