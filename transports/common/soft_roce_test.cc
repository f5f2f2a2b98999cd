#include "transports/common/soft_roce.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace tideway {
namespace {

TEST(SoftRoce, IsKnownByTheInterfaceThatItStandsOn) {
  std::string folder = ::testing::TempDir() + "adapters.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  EXPECT_FALSE(HasSoftRoce(folder));
  EXPECT_FALSE(HasRdmaAdapter(folder));
  std::filesystem::create_directories(folder + "/mlx5_0/ports");
  EXPECT_FALSE(HasSoftRoce(folder));
  EXPECT_TRUE(HasRdmaAdapter(folder));
  std::filesystem::create_directories(folder + "/rxe0/ports");
  std::ofstream(folder + "/rxe0/parent") << "eth0\n";
  EXPECT_TRUE(HasSoftRoce(folder));
  std::filesystem::remove_all(folder);
}

TEST(SoftRoce, IsMissingWhereThereIsNoListOfAdapters) {
  EXPECT_FALSE(HasSoftRoce("/no/such/folder"));
  EXPECT_FALSE(HasRdmaAdapter("/no/such/folder"));
}

}  // namespace
}  // namespace tideway
