#include "tools/transports_command.h"

#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tideway/builtin_transports.h"
#include "tools/exit_status.h"

namespace tideway::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Answer {
  int status;
  std::string out;
  std::string err;
};

Answer Ask(const std::vector<std::string>& arguments,
           const TransportRegistry& transports = BuiltinTransports()) {
  std::ostringstream out;
  std::ostringstream err;
  const int status = RunTransports(arguments, transports, out, err);
  return {status, out.str(), err.str()};
}

// A transport `gone` that is not viable, and has two providers.
TransportRegistry WithoutLibrary() {
  TransportEntry entry;
  entry.name = "gone";
  entry.schemes = {"gone", "gone+a"};
  entry.probe = [] {
    TransportInfo info = {.name = "gone", .schemes = {"gone", "gone+a"}, .viable = false};
    info.unavailable_reason = "libgone.so.1 is missing; install libgone1";
    info.providers = {{.name = "gone+a", .scheme = "gone+a"}, {.name = "gone/b", .scheme = "gone"}};
    return info;
  };
  TransportRegistry registry;
  EXPECT_TRUE(registry.Add(std::move(entry)).ok());
  return registry;
}

TEST(TransportsCommand, ListsEveryTransportOfTheBuild) {
  const Answer answer = Ask({});
  EXPECT_EQ(answer.status, kDoneStatus) << answer.err;
  EXPECT_THAT(answer.out, AllOf(HasSubstr("\ninproc "), HasSubstr("\ntcp "), HasSubstr("\nsim ")));
  EXPECT_EQ(answer.err, "");
}

TEST(TransportsCommand, EveryNameItListsIsOneThatAddressForTakes) {
  const TransportRegistry transports = BuiltinTransports();
  const auto json = nlohmann::json::parse(Ask({"--json"}, transports).out);
  for (const auto& row : json["providers"]) {
    const auto address = transports.AddressFor(row["provider"].get<std::string>(), "HOST");
    EXPECT_EQ(address.ok(), row["viable"].get<bool>()) << address.status();
    EXPECT_NE(address.status().code(), absl::StatusCode::kNotFound) << address.status();
  }
}

TEST(TransportsCommand, OnlyLeavesWhatItNames) {
  const Answer answer = Ask({"--only", "tcp,inproc", "--json"});
  EXPECT_EQ(answer.status, kDoneStatus) << answer.err;
  EXPECT_EQ(nlohmann::json::parse(answer.out)["providers"].size(), 2u);
}

TEST(TransportsCommand, OnlyTakesAProvidersNameBeforeAScheme) {
  const auto listed = [](const std::string& only) {
    const Answer answer = Ask({"--json", "--only", only}, WithoutLibrary());
    return nlohmann::json::parse(answer.out)["providers"].size();
  };
  EXPECT_EQ(listed("gone+a"), 1u);  // also a scheme of the transport gone
  EXPECT_EQ(listed("gone"), 2u);
  EXPECT_EQ(listed("gone,gone+a,gone+a"), 2u);
}

TEST(TransportsCommand, AnUnknownNameIsRefusedWithThoseThatExist) {
  const Answer answer = Ask({"--only", "tcp,carrier-pigeon"});
  EXPECT_EQ(answer.status, kUsageStatus);
  EXPECT_EQ(answer.out, "");
  EXPECT_THAT(answer.err, AllOf(HasSubstr("'carrier-pigeon'"), HasSubstr("inproc, tcp")));
}

TEST(TransportsCommand, WhatIsNotViableIsListedWithItsReasonAndFails) {
  for (const char* name : {"gone", "gone+a,gone/b"}) {
    const Answer answer = Ask({"--only", name}, WithoutLibrary());
    EXPECT_EQ(answer.status, kFailedStatus);
    EXPECT_THAT(answer.out, AllOf(HasSubstr("gone+a "), HasSubstr("gone/b "),
                                  HasSubstr("libgone.so.1 is missing; install libgone1")));
  }
}

TEST(TransportsCommand, NothingToMeasureIsAFailureThatSaysSo) {
  const Answer answer = Ask({"--measure"}, WithoutLibrary());
  EXPECT_EQ(answer.status, kFailedStatus);
  EXPECT_THAT(answer.err, HasSubstr("nothing of this can be measured here"));
  EXPECT_EQ(Ask({"--measure", "--only", "sim"}).status, kFailedStatus);
}

TEST(TransportsCommand, MeasuresWithProgressOnStderr) {
  const Answer answer =
      Ask({"--measure", "--only", "tcp", "--json", "--seconds", "0.05", "--host", "127.0.0.1"});
  EXPECT_EQ(answer.status, kDoneStatus) << answer.err;
  EXPECT_EQ(answer.err, "measuring tcp (1 of 1)\n");
  const auto measured = nlohmann::json::parse(answer.out)["providers"][0]["measured"];
  EXPECT_GT(measured["round_trip_us_median"].get<double>(), 0);
  EXPECT_GT(measured["bandwidth_gb_per_s"].get<double>(), 0);
}

TEST(TransportsCommand, AFailedMeasurementFailsAndSaysWhy) {
  const Answer answer =
      Ask({"--measure", "--only", "tcp", "--seconds", "0.05", "--host", "192.0.2.1"});
  EXPECT_EQ(answer.status, kFailedStatus);
  EXPECT_THAT(answer.err, HasSubstr("192.0.2.1"));
  EXPECT_THAT(answer.out, HasSubstr("failed: "));
}

TEST(TransportsCommand, WrongFlagsAreRefusedInOneSentence) {
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {"--fast"}, {"--seconds", "0"}, {"--seconds", "x"}, {"extra"}}) {
    const Answer answer = Ask(wrong);
    EXPECT_EQ(answer.status, kUsageStatus) << wrong[0];
    EXPECT_THAT(answer.err, HasSubstr("see tideway transports --help\n"));
    EXPECT_THAT(answer.err, Not(HasSubstr("\n ")));
  }
}

TEST(TransportsCommand, HelpShowsExamples) {
  const Answer answer = Ask({"--help"});
  EXPECT_EQ(answer.status, kDoneStatus);
  EXPECT_THAT(answer.out, AllOf(HasSubstr("Examples:"), HasSubstr("--measure --only tcp")));
}

}  // namespace
}  // namespace tideway::tools
