#include "bench/driver/sizes.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/size_text.h"

namespace bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Sizes, AreReadInBinaryAndDecimalUnits) {
  EXPECT_EQ(*ParseSize("4096"), 4096u);
  EXPECT_EQ(*ParseSize("64KiB"), 65536u);
  EXPECT_EQ(*ParseSize(" 1 MiB "), 1048576u);
  EXPECT_EQ(*ParseSize("1GB"), 1'000'000'000u);
}

TEST(Sizes, ARangeGoesInStepsAndHoldsItsEnd) {
  EXPECT_THAT(*ParseSizes("4KiB..1MiB"), ElementsAre(4096, 16384, 65536, 262144, 1048576));
  EXPECT_THAT(*ParseSizes("4KiB..1MiB*16"), ElementsAre(4096, 65536, 1048576));
  EXPECT_THAT(*ParseSizes("4KiB..20KiB"), ElementsAre(4096, 16384, 20480));
  EXPECT_THAT(*ParseSizes("4KiB..4KiB,1MiB"), ElementsAre(4096, 1048576));
}

TEST(Sizes, ARangeUpToTheLargestSizeEnds) {
  EXPECT_EQ(ParseSizes("4..4GiB*3000000000")->back(), kSizeMax);
}

TEST(Sizes, WhatIsNoSizeIsRefusedWithAHint) {
  for (const std::string wrong :
       {"", "x", "-4KiB", "1.5MiB", "64kib", "99999999999999999999", "4KiB..", "..4KiB", "8,,8"}) {
    const auto sizes = ParseSizes(wrong);
    EXPECT_EQ(sizes.status().code(), absl::StatusCode::kInvalidArgument) << wrong;
    EXPECT_THAT(std::string(sizes.status().message()), HasSubstr("write 4096, 64KiB")) << wrong;
  }
}

TEST(Sizes, WhatCannotBeMovedIsRefusedWithTheReason) {
  const auto said = [](const char* text) {
    return std::string(ParseSizes(text).status().message());
  };
  EXPECT_THAT(said("0"), HasSubstr("out of range"));
  EXPECT_THAT(said("5GiB"), HasSubstr("out of range"));
  EXPECT_THAT(said("4097"), HasSubstr("multiple of 4"));
  EXPECT_THAT(said("1MiB..4KiB"), HasSubstr("smaller size first"));
  EXPECT_THAT(said("4KiB..1MiB*1"), HasSubstr("whole number behind *"));
  EXPECT_THAT(said("4..4GiB*2,4..4GiB*2,4..4GiB*2"), HasSubstr("64 are the most"));
}

TEST(Sizes, AreWrittenInTheLargestUnitThatFits) {
  EXPECT_EQ(tideway::tools::SizeText(size_t{64} << 20), "64 MiB");
  EXPECT_EQ(tideway::tools::SizeText(4100), "4100 B");
}

}  // namespace
}  // namespace bench
