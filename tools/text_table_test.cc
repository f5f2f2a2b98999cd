#include "tools/text_table.h"

#include "gtest/gtest.h"

namespace tideway::tools {
namespace {

TEST(TextTable, ColumnsLineUpAndNumbersStandRight) {
  TextTable table({{"name"}, {"GB/s", TextTable::kRight}, {"said"}});
  table.AddRow({"tcp", "3.1", "a long text that is not cut"});
  table.AddRow({"ucx/sm", "12.75", ""});
  EXPECT_EQ(table.ToString(),
            "name     GB/s  said\n"
            "tcp       3.1  a long text that is not cut\n"
            "ucx/sm  12.75\n");
}

TEST(TextTable, ALineBreakInACellDoesNotBreakTheTable) {
  TextTable table({{"reason"}, {"x"}});
  table.AddRow({"one\ntwo\x1b[31m", "y"});
  EXPECT_EQ(table.ToString(),
            "reason        x\n"
            "one two [31m  y\n");
}

}  // namespace
}  // namespace tideway::tools
