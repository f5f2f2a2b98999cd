#include "transports/libfabric/own_endpoints.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tideway::libfabric {
namespace {

int Insert(const std::string& address) {
  return InsertOpen(address, [] { return 1; });
}

TEST(OwnEndpoints, AnOwnOneIsInsertedFromItsOpeningToItsClose) {
  const std::string address = absl::StrCat("fi_shm://", getpid(), ":0:7");
  EXPECT_EQ(Insert(address), 0);
  NoteOpened(address);
  EXPECT_EQ(Insert(address), 1);
  bool closed = false;
  CloseOwn(address, [&closed] { closed = true; });
  EXPECT_TRUE(closed);
  EXPECT_EQ(Insert(address), 0);
}

TEST(OwnEndpoints, ThoseOfOtherProcessesAndProvidersPassThrough) {
  for (const std::string& address :
       {absl::StrCat("fi_shm://", getpid() + 1, ":0:7"), std::string("\x02\x00\x1f\x90", 4)}) {
    EXPECT_EQ(Insert(address), 1);
    bool closed = false;
    CloseOwn(address, [&closed] { closed = true; });
    EXPECT_TRUE(closed);
  }
}

}  // namespace
}  // namespace tideway::libfabric
