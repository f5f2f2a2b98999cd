#include "transports/tcp/interfaces.h"

#include <net/if.h>

#include <set>

#include "gtest/gtest.h"

namespace tideway::tcp {
namespace {

TEST(Interfaces, AreThoseOfThisHostEachOnce) {
  const std::vector<std::string> names = Interfaces();
  for (const std::string& name : names) EXPECT_NE(if_nametoindex(name.c_str()), 0u) << name;
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  // The tests of this folder talk over loopback.
  EXPECT_FALSE(names.empty());
}

}  // namespace
}  // namespace tideway::tcp
