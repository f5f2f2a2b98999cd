#include <sched.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "bench/driver/command_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tideway/builtin_transports.h"
#include "tools/exit_status.h"

namespace bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using tideway::tools::kDoneStatus;
using tideway::tools::kFailedStatus;
using tideway::tools::kUsageStatus;
using Json = nlohmann::json;

tideway::TransportRegistry WithoutLibrary() {
  tideway::TransportEntry entry;
  entry.name = "gone";
  entry.schemes = {"gone"};
  entry.probe = [] {
    tideway::TransportInfo info = {.name = "gone", .schemes = {"gone"}, .viable = false};
    info.unavailable_reason = "libgone.so.1 is missing; install libgone1";
    return info;
  };
  tideway::TransportRegistry registry;
  EXPECT_TRUE(registry.Add(std::move(entry)).ok());
  return registry;
}

TEST(BenchCommand, APushBesideRawGivesEveryFigureOfTheSchema) {
  const Answer answer = Ask(Short({"push", "--transport", "tcp", "--size", "64KiB", "--codec",
                                   "identity", "--raw", "--json", "-"}));
  ASSERT_EQ(answer.status, kDoneStatus) << answer.err;
  const Json json = answer.json();
  EXPECT_EQ(json["schema"], "tideway-bench/1");
  EXPECT_EQ(json["settings"]["rounds"], 1);
  for (const char* key : {"machine", "versions", "commit", "started"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  ASSERT_EQ(json["results"].size(), 1u);
  const Json& result = json["results"][0];
  EXPECT_EQ(result["subcommand"], "push");
  EXPECT_EQ(result["transport"], "tcp");
  EXPECT_EQ(result["size_bytes"], 65536);
  EXPECT_EQ(result["codec"], "identity");
  EXPECT_TRUE(result["verified"].get<bool>());
  for (const Json& side : {result, result["raw"]}) {
    EXPECT_GT(side["goodput_gbytes_per_s"].get<double>(), 0);
    EXPECT_GT(side["cpu_s_per_gb"].get<double>(), 0);
    EXPECT_EQ(side["rounds"]["goodput_gbytes_per_s"].size(), 1u);
    double last = 0;
    for (const char* percentile : {"p50", "p90", "p99", "p99.9", "max"}) {
      EXPECT_GE(side["latency_us"][percentile].get<double>(), last) << percentile;
      last = side["latency_us"][percentile].get<double>();
    }
  }
  const double ratio = result["ratio_to_raw"].get<double>();
  EXPECT_GE(ratio, result["ratio_to_raw_interval"][0].get<double>());
  EXPECT_LE(ratio, result["ratio_to_raw_interval"][1].get<double>());
}

TEST(BenchCommand, EverySubcommandPrintsALine) {
  for (const std::string subcommand : {"pull", "latency", "bandwidth", "bidir"}) {
    const Answer answer = Ask(Short({subcommand, "--size", "64KiB"}));
    EXPECT_EQ(answer.status, kDoneStatus) << answer.err;
    EXPECT_THAT(answer.out, AllOf(HasSubstr("  64 KiB  "), HasSubstr("\n" + subcommand)));
    EXPECT_EQ(answer.err, "");
  }
}

TEST(BenchCommand, PushPullCountsBothDirectionsBesideRaw) {
  const Answer answer = Ask(Short({"push-pull", "--size", "64KiB", "--raw", "--json", "-"}));
  ASSERT_EQ(answer.status, kDoneStatus) << answer.err;
  const Json json = answer.json();
  const Json& result = json["results"][0];
  const double bytes = 1e9 * result["goodput_gbytes_per_s"].get<double>() *
                       result["seconds"].get<double>() / result["operations"].get<double>();
  EXPECT_NEAR(bytes, 2 * 65536, 1);
  EXPECT_GT(result["raw"]["goodput_gbytes_per_s"].get<double>(), 0);
}

TEST(BenchCommand, IncastTellsHowLongSmallPushesWaited) {
  const Answer answer =
      Ask(Short({"incast", "--workers", "3", "--size", "64KiB", "--raw", "--json", "-"}));
  ASSERT_EQ(answer.status, kDoneStatus) << answer.err;
  const Json json = answer.json();
  const Json& result = json["results"][0];
  EXPECT_EQ(result["workers"], 3);
  EXPECT_GT(result["small_push_latency_us"]["p99"].get<double>(), 0);
  EXPECT_FALSE(result.contains("raw")) << "no raw program does incast";
  EXPECT_THAT(Ask(Short({"incast", "--codec", "int8", "--size", "4KiB", "--workers", "1"})).err,
              HasSubstr("--codec=identity"));
}

TEST(BenchCommand, RawAloneGivesTheSameFiguresOfEachFormAndItsProgram) {
  const Answer answer = Ask(Short(
      {"raw", "--transport", "tcp", "--size", "64KiB", "--form", "push,pull", "--json", "-"}));
  ASSERT_EQ(answer.status, kDoneStatus) << answer.err;
  const Json json = answer.json();
  ASSERT_EQ(json["results"].size(), 2u);
  EXPECT_EQ(json["results"][0]["form"], "push");
  EXPECT_EQ(json["results"][1]["form"], "pull");
  for (const Json& result : json["results"]) {
    EXPECT_EQ(result["subcommand"], "raw");
    EXPECT_EQ(result["program"], "raw_sockets");
    EXPECT_EQ(result["chunk_bytes"], 65536);
    EXPECT_GT(result["goodput_gbytes_per_s"].get<double>(), 0);
    EXPECT_GT(result["latency_us"]["p99.9"].get<double>(), 0);
    EXPECT_FALSE(result.contains("raw"));
  }
  EXPECT_THAT(Ask(Short({"raw", "--size", "4KiB"})).out,
              AllOf(HasSubstr("raw push  tcp"), HasSubstr("raw_sockets  4 KiB")));
}

TEST(BenchCommand, WhatHasNoRawProgramIsRefusedOrLeftOutOfAll) {
  EXPECT_EQ(Ask({"raw", "--transport", "inproc"}).err,
            "tideway-bench: no raw program does push over what inproc uses\n");
  const Answer alone = Ask({"raw", "--size", "4KiB"}, "/nowhere/tideway-bench");
  EXPECT_EQ(
      alone.err,
      "tideway-bench: raw push tcp identity 4 KiB: there is no /nowhere/raw_sockets; build the "
      "target raw_sockets\n");
}

TEST(BenchCommand, CodecsAreMeasuredAgainstMemcpyWithoutAWire) {
  const std::vector<std::string> codecs = {
      "codec",      "--codec", "identity", "--codec", "int8",      "--size", "64KiB",
      "--fragment", "16KiB",   "--rounds", "2",       "--seconds", "0.01"};
  const Answer table = Ask(codecs, "/nowhere/tideway-bench");
  EXPECT_EQ(table.status, kDoneStatus) << table.err;
  EXPECT_THAT(table.out, AllOf(HasSubstr("of memcpy"), HasSubstr("\nint8 ")));
  std::vector<std::string> as_json = codecs;
  as_json.insert(as_json.end(), {"--json", "-"});
  const Json json = Ask(as_json).json();
  ASSERT_EQ(json["results"].size(), 2u);
  for (const Json& result : json["results"]) {
    EXPECT_EQ(result["subcommand"], "codec");
    EXPECT_EQ(result["transport"], "none");
    EXPECT_TRUE(result["verified"].get<bool>());
    for (const char* work : {"encode", "encode_feedback", "decode_add"}) {
      EXPECT_GT(result[work]["gbytes_per_s"].get<double>(), 0) << work;
      EXPECT_GT(result[work]["ratio_to_memcpy"].get<double>(), 0) << work;
    }
    EXPECT_GT(result["memcpy"]["gbytes_per_s"].get<double>(), 0);
    EXPECT_GT(result["latency_us"]["p99"].get<double>(), 0);
    EXPECT_GT(result["cpu_s_per_gb"].get<double>(), 0);
  }
  EXPECT_EQ(json["results"][0]["bytes_per_fp32_byte"], 1.0);
  EXPECT_LT(json["results"][1]["bytes_per_fp32_byte"].get<double>(), 0.3);
  EXPECT_THAT(Ask({"codec", "--codec", "shrink", "--size", "4KiB"}).err,
              HasSubstr("codec shrink 4 KiB: no codec is called shrink"));
}

TEST(BenchCommand, BothEndsStayOnTheProcessorsThatTheyAreGiven) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  int first = 0;
  while (!CPU_ISSET(first, &allowed)) ++first;
  const std::string there = std::to_string(first);
  const Answer answer =
      Ask(Short({"push", "--size", "4KiB", "--raw", "--cpus", there, "--json", "-"}));
  ASSERT_EQ(answer.status, kDoneStatus) << answer.err;
  EXPECT_EQ(answer.json()["settings"]["cpus_server"], there);
  // Each end looks at its own list.
  for (const std::string& cpus : {"1023/" + there, there + "/1023", std::string("1023")}) {
    const Answer refused = Ask(Short({"push", "--size", "4KiB", "--cpus", cpus}));
    EXPECT_EQ(refused.status, kFailedStatus) << cpus;
    EXPECT_THAT(refused.err, HasSubstr("there is no processor 1023 to run on; there are "));
  }
  EXPECT_THAT(Ask({"codec", "--codec", "int8", "--size", "4KiB", "--cpus", "1023"}).err,
              HasSubstr("there is no processor 1023"));
  EXPECT_THAT(Ask(Short({"raw", "--size", "4KiB", "--numa", "1023"})).err, HasSubstr("NUMA node"));
}

TEST(BenchCommand, BothEndsMayBeInOneProcess) {
  const Answer answer = Ask(Short({"push", "--transport", "inproc", "--size", "64KiB", "--raw"}));
  EXPECT_EQ(answer.status, kDoneStatus) << answer.err;
  EXPECT_THAT(answer.out, HasSubstr("inproc"));
}

TEST(BenchCommand, LossyCodecsLoseNothingEither) {
  const Answer answer = Ask(Short({"push", "--size", "64KiB", "--codec", "int8", "--codec",
                                   "topk:density=0.1,values=bf16", "--json", "-"}));
  EXPECT_EQ(answer.status, kDoneStatus) << answer.err;
  EXPECT_EQ(answer.json()["results"].size(), 2u);
}

TEST(BenchCommand, TheFileHasWhatWasMeasuredAndWhatFailed) {
  const std::string file = ::testing::TempDir() + "/bench.json";
  const Answer answer = Ask(Short(
      {"push", "--size", "4KiB", "--codec", "identity", "--codec", "shrink", "--json", file}));
  EXPECT_EQ(answer.status, kFailedStatus);
  EXPECT_THAT(answer.err, AllOf(HasSubstr("tideway-bench: push tcp shrink 4 KiB: "),
                                HasSubstr("'shrink'"), Not(HasSubstr("\n\n"))));
  std::ifstream opened(file);
  const Json json = Json::parse(opened, nullptr, false);
  EXPECT_EQ(json["results"].size(), 1u);
  EXPECT_EQ(json["failures"][0]["codec"], "shrink");
  std::filesystem::remove(file);
}

TEST(BenchCommand, AFileThatCannotBeWrittenIsToldOf) {
  const Answer answer = Ask(Short({"push", "--size", "4KiB", "--json", "/nowhere/bench.json"}));
  EXPECT_EQ(answer.status, kFailedStatus);
  EXPECT_EQ(answer.err, "tideway-bench: can't write /nowhere/bench.json\n");
}

TEST(BenchCommand, AMatrixGivesAPageAndARunThatCanBeReportedAndCompared) {
  const std::string folder = ::testing::TempDir() + "/matrix";
  std::filesystem::create_directories(folder);
  const std::string json = folder + "/a.json";
  const Answer answer = Ask(Short({"matrix", "--transport", "inproc", "--size", "4KiB,8KiB",
                                   "--json", json, "--html", folder + "/a.html"}));
  EXPECT_EQ(answer.status, kDoneStatus) << answer.err;
  EXPECT_TRUE(std::filesystem::exists(folder + "/a.html"));
  const Answer report = Ask({"report", json, "--csv", "-", "--svg", folder});
  EXPECT_THAT(report.out, AllOf(HasSubstr("\npush,inproc,4096"), HasSubstr("\npull,inproc,8192")));
  EXPECT_TRUE(std::filesystem::exists(folder + "/pull-latency.svg"));
  const Answer same = Ask({"compare", json, json});
  EXPECT_EQ(same.status, kDoneStatus) << same.err;
  EXPECT_THAT(same.out, HasSubstr("push inproc identity 4 KiB"));
  Json slower = Json::parse(std::ifstream(json));
  slower["results"][0]["goodput_gbytes_per_s"] = 1e-9;
  slower["results"][0]["goodput_interval"] = {1e-9, 1e-9};
  std::ofstream(folder + "/b.json") << slower;
  const Answer worse = Ask({"compare", json, folder + "/b.json"});
  EXPECT_EQ(worse.status, kFailedStatus);
  EXPECT_THAT(worse.out, HasSubstr("REGRESSION"));
  EXPECT_EQ(worse.err, "tideway-bench: 1 of 4 cases became worse by more than 5 %\n");
  std::filesystem::remove_all(folder);
}

TEST(BenchCommand, WrongFlagsAreRefusedInOneSentenceWithTheWayToHelp) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{},
                                             {"shove"},
                                             {"push", "--fast"},
                                             {"push", "--size", "12parsecs"},
                                             {"push", "--rounds", "0"},
                                             {"push", "--seconds", "x"},
                                             {"push", "--wait", "sleep"},
                                             {"push", "--outstanding", "2"},
                                             {"bandwidth", "--outstanding", "0"},
                                             {"pull", "extra"},
                                             {"incast", "--workers", "0"},
                                             {"raw", "--codec", "int8"},
                                             {"raw", "--form", "incast"},
                                             {"codec", "--transport", "tcp"},
                                             {"pull", "--breakdown"},
                                             {"push", "--cpus", "all"},
                                             {"push", "--cpus", "0/"},
                                             {"codec", "--numa", "near"},
                                             {"incast", "--trace", "t.json"},
                                             {"compare", "a.json"},
                                             {"report"}}) {
    const Answer answer = Ask(wrong);
    EXPECT_EQ(answer.status, kUsageStatus) << ::testing::PrintToString(wrong);
    EXPECT_THAT(answer.out, IsEmpty());
    EXPECT_THAT(answer.err, AllOf(HasSubstr("--help\n"), Not(HasSubstr("\n ")))) << answer.err;
  }
}

TEST(BenchCommand, WhatThereIsNotIsRefusedWithThoseThatExist) {
  EXPECT_THAT(Ask({"shove"}).err, HasSubstr("there are push, pull"));
  const Answer answer = Ask({"push", "--transport", "tcp,carrier-pigeon"});
  EXPECT_EQ(answer.status, kUsageStatus);
  EXPECT_THAT(answer.err, AllOf(HasSubstr("'carrier-pigeon'"), HasSubstr("inproc, tcp")));
}

TEST(BenchCommand, ARunThatCannotBeReadIsRefused) {
  const Answer answer = Ask({"compare", "/nowhere/a.json", "/nowhere/b.json"});
  EXPECT_EQ(answer.status, kUsageStatus);
  EXPECT_EQ(answer.err, "tideway-bench: can't read /nowhere/a.json\n");
}

TEST(BenchCommand, ATransportThatCannotWorkHereSaysWhy) {
  const Answer answer =
      Ask({"push", "--transport", "gone"}, TIDEWAY_BENCH_PROGRAM, WithoutLibrary());
  EXPECT_EQ(answer.status, kFailedStatus);
  EXPECT_EQ(answer.err,
            "tideway-bench: gone can't work here: libgone.so.1 is missing; install libgone1\n");
  EXPECT_THAT(Ask({"push", "--transport", "sim"}).err, HasSubstr("a simulation in virtual time"));
}

TEST(BenchCommand, AMissingRawProgramIsNamedWithItsTarget) {
  const std::string folder = ::testing::TempDir() + "/alone";
  std::filesystem::create_directories(folder);
  const Answer answer = Ask(Short({"push", "--size", "4KiB", "--raw"}), folder + "/tideway-bench");
  EXPECT_EQ(answer.status, kFailedStatus);
  EXPECT_THAT(answer.err, HasSubstr("build the target raw_sockets, or leave --raw out"));
  std::filesystem::remove(folder);
}

TEST(BenchCommand, AProgramThatCannotStartIsNamed) {
  const Answer answer = Ask(Short({"push", "--size", "4KiB"}), "/nowhere/tideway-bench");
  EXPECT_EQ(answer.status, kFailedStatus);
  EXPECT_THAT(answer.err, HasSubstr("can't start /nowhere/tideway-bench: No such file"));
}

TEST(BenchCommand, HelpShowsExamplesAndExitStatuses) {
  const Answer answer = Ask({"--help"});
  EXPECT_EQ(answer.status, kDoneStatus);
  EXPECT_THAT(answer.out,
              AllOf(HasSubstr("Examples:"), HasSubstr("bandwidth"), HasSubstr("Exit status")));
  EXPECT_THAT(Ask({"push", "--help"}).out, HasSubstr("--congestion"));
}

}  // namespace
}  // namespace bench
