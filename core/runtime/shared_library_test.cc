// What is told of the libraries in this process; CheckSharedLibrary is tested with the modules (tests/modules).

#include "core/runtime/shared_library.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace tideway {
namespace {

TEST(SharedLibrary, TheOnesInThisProcessAreListed) {
  const std::vector<std::string> paths = LoadedLibraries();
  EXPECT_TRUE(std::any_of(paths.begin(), paths.end(), [](const std::string& path) {
    return absl::StrContains(path, "/libstdc++.so");
  }));
}

TEST(SharedLibrary, ACopyUnderAnotherNameIsFound) {
  for (const std::string other : {"/venv/lib/libucs-1a2b3c4d.so.0.0.0", "/opt/libucs.so.1"}) {
    EXPECT_EQ(OtherCopyOf("libucs.so.0", {"/lib/libc.so.6", other}), other);
  }
}

TEST(SharedLibrary, TheLibraryItselfAndThoseWithLongerNamesAreNoCopies) {
  EXPECT_EQ(OtherCopyOf("libucs.so.0", {"/lib/libucs.so.0", "/opt/ucx/lib/libucs.so.0",
                                        "/lib/libucs_signal.so.0", "/lib/libucsd.so", "libuc"}),
            "");
}

}  // namespace
}  // namespace tideway
