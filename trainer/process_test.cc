#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "trainer/child_process.h"
#include "trainer/file_io.h"
#include "trainer/stop_signal.h"

namespace tideway::trainer {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<ChildProcess> Shell(const std::string& script) {
  auto child =
      ChildProcess::Start("shell", {"/bin/sh", "-c", script}, ::testing::TempDir() + "/child.log");
  EXPECT_TRUE(child.ok()) << child.status();
  return *std::move(child);
}

TEST(ChildProcess, ItsFirstLineCanBeReadAndItsEndIsSeen) {
  auto child = Shell("echo ready; exit 3");
  EXPECT_EQ(*child->ReadLine(absl::Seconds(30)), "ready");
  const std::optional<int> end = child->Wait(absl::Seconds(30));
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(DescribeExit(*end), "ended with status 3");
  EXPECT_FALSE(ExitedCleanly(*end));
}

TEST(ChildProcess, OneThatEndsWithoutALineIsUnavailable) {
  EXPECT_EQ(Shell("exit 0")->ReadLine(absl::Seconds(30)).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(ChildProcess, OneThatSaysNothingRunsIntoTheDeadline) {
  EXPECT_EQ(Shell("exec sleep 60")->ReadLine(absl::Milliseconds(30)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(ChildProcess, AKilledOneIsNamedByItsSignal) {
  auto child = Shell("echo up; exec sleep 60");
  ASSERT_TRUE(child->ReadLine(absl::Seconds(30)).ok());
  EXPECT_FALSE(child->Poll().has_value());
  child->Signal(SIGKILL);
  const std::optional<int> end = child->Wait(absl::Seconds(30));
  ASSERT_TRUE(end.has_value());
  EXPECT_THAT(DescribeExit(*end), HasSubstr("signal 9"));
}

TEST(ChildProcess, AProgramThatIsNotThereEndsWithStatus127) {
  auto child = ChildProcess::Start("none", {"/no/such/program"}, ::testing::TempDir() + "/c.log");
  ASSERT_TRUE(child.ok());
  const std::optional<int> end = (*child)->Wait(absl::Seconds(30));
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(DescribeExit(*end), "ended with status 127");
}

TEST(ChildProcess, StandardErrorGoesToTheLog) {
  const std::string log = ::testing::TempDir() + "/said.log";
  unlink(log.c_str());
  auto child = ChildProcess::Start("shell", {"/bin/sh", "-c", "echo said >&2"}, log);
  ASSERT_TRUE(child.ok());
  ASSERT_TRUE((*child)->Wait(absl::Seconds(30)).has_value());
  EXPECT_EQ(*ReadFile(log, 100), "said\n");
}

TEST(StopSignal, ASignalIsSeenByFlagWaitAndCallback) {
  StopSignal stop;
  absl::Notification called;
  stop.OnStop([&called] { called.Notify(); });
  EXPECT_FALSE(stop.requested());
  EXPECT_FALSE(stop.WaitFor(absl::Milliseconds(1)));
  kill(getpid(), SIGTERM);
  EXPECT_TRUE(stop.WaitFor(absl::Seconds(30)));
  EXPECT_TRUE(stop.requested());
  called.WaitForNotification();
}

TEST(StopSignal, ACallbackThatComesTooLateRunsAtOnce) {
  StopSignal stop;
  kill(getpid(), SIGINT);
  ASSERT_TRUE(stop.WaitFor(absl::Seconds(30)));
  bool called = false;
  stop.OnStop([&called] { called = true; });
  EXPECT_TRUE(called);
}

}  // namespace
}  // namespace tideway::trainer
