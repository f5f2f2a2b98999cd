#include "core/client/path_report.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/limits.h"

namespace tideway {
namespace {

using ::testing::HasSubstr;

PathSelector::Choice Path(const std::string& provider) {
  return {.uri = *Uri::Parse("tcp://head:5000"), .provider = provider, .why = "the test says so"};
}

PathReport::News Hold(PathReport& report, const std::string& provider) {
  return report.Holds(Path(provider), {.transport = "tcp"}, "the cable was cut",
                      absl::UnixEpoch() + absl::Seconds(3));
}

TEST(PathReport, TheFirstPathAndTheSameOneAgainAreNoSwitch) {
  PathReport report("server 0", "auto://head:5000");
  EXPECT_THAT(report.report().Summary(), HasSubstr("no data path yet"));
  EXPECT_EQ(Hold(report, "tcp").change, "");
  EXPECT_EQ(Hold(report, "tcp").change, "");
  EXPECT_EQ(report.switches(), 0u);
  EXPECT_EQ(report.report().got, "tcp://head:5000");
  EXPECT_EQ(report.connection().transport, "tcp");
}

TEST(PathReport, ASwitchNamesBothPathsAndTheReason) {
  PathReport report("server 0", "auto://head:5000");
  Hold(report, "ucx/sm");
  const PathReport::News news = Hold(report, "tcp");
  EXPECT_EQ(news.change, "server 0: the data path changed from ucx/sm to tcp: the cable was cut");
  EXPECT_THAT(news.summary, HasSubstr("data goes over tcp"));
  ASSERT_EQ(report.report().switches.size(), 1u);
  EXPECT_EQ(report.report().switches[0].from, "ucx/sm");
  EXPECT_EQ(report.report().switches[0].at, absl::UnixEpoch() + absl::Seconds(3));
  EXPECT_THAT(report.report().ToString(), HasSubstr("from ucx/sm to tcp: the cable was cut"));
}

TEST(PathReport, AllSwitchesAreCountedAndTheLatestAreKept) {
  PathReport report("server 0", "auto://head:5000");
  Hold(report, "path 0");
  constexpr size_t kSwitches = kTransportSwitchesKept + 5;
  for (size_t i = 1; i <= kSwitches; ++i) Hold(report, "path " + std::to_string(i));
  EXPECT_EQ(report.switches(), kSwitches);
  ASSERT_EQ(report.report().switches.size(), kTransportSwitchesKept);
  EXPECT_EQ(report.report().switches.back().to, "path " + std::to_string(kSwitches));
}

}  // namespace
}  // namespace tideway
