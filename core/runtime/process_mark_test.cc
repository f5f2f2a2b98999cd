#include "tideway/process_mark.h"

#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/runtime/fork_testing.h"
#include "gtest/gtest.h"

namespace tideway {
namespace {

using testing::PassesInChild;

TEST(ProcessMark, TellsAForkedChildWhoseItIsAndWhatToDoInstead) {
  const ProcessMark mark;
  const std::string parent = absl::StrCat("process ", getpid(), ",");
  EXPECT_TRUE(PassesInChild([&] {
    EXPECT_FALSE(mark.IsHere());
    const absl::Status status = mark.Check();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_TRUE(absl::StrContains(status.message(), parent)) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), absl::StrCat("process ", getpid(), " was")))
        << status;
    EXPECT_TRUE(absl::StrContains(status.message(), "make a runtime of the child's own")) << status;
  }));
  EXPECT_TRUE(mark.IsHere());
  EXPECT_TRUE(mark.Check().ok());
}

TEST(ProcessMark, OfAChildIsItsOwnAndForeignToItsChildren) {
  EXPECT_TRUE(PassesInChild([] {
    const ProcessMark childs;
    EXPECT_TRUE(childs.IsHere());
    EXPECT_TRUE(PassesInChild([&] { EXPECT_FALSE(childs.IsHere()); }));
    EXPECT_TRUE(PassesInChild([&] { EXPECT_FALSE(childs.IsHere()); }));
    EXPECT_TRUE(childs.IsHere());
  }));
}

}  // namespace
}  // namespace tideway
