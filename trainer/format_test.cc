#include "trainer/format.h"

#include <cmath>

#include "gtest/gtest.h"

namespace tideway::trainer {
namespace {

TEST(Format, BytesAndCountsKeepThreeDigits) {
  EXPECT_EQ(Bytes(0), "0 B");
  EXPECT_EQ(Bytes(999), "999 B");
  EXPECT_EQ(Bytes(999.6), "1.00 kB");
  EXPECT_EQ(Bytes(1434000), "1.43 MB");
  EXPECT_EQ(Bytes(14340000), "14.3 MB");
  EXPECT_EQ(Count(123456), "123k");
  EXPECT_EQ(Count(NAN), "--");
}

TEST(Format, DurationsReadLikeAClockAndUnknownOnesAreDashes) {
  EXPECT_EQ(Duration(7.4), "7s");
  EXPECT_EQ(Duration(59.6), "1m00s");
  EXPECT_EQ(Duration(125), "2m05s");
  EXPECT_EQ(Duration(7260), "2h01m");
  EXPECT_EQ(Duration(-1), "--");
  EXPECT_EQ(Duration(INFINITY), "--");
}

TEST(Format, PrintableKeepsUtf8AndReplacesAllElse) {
  EXPECT_EQ(Printable("a\xc3\xa9\n\xe2\x82\xac"), "a\xc3\xa9\n\xe2\x82\xac");
  EXPECT_EQ(Printable("a\xff"
                      "b"),
            "a\u00b7b");
  EXPECT_EQ(Printable("\xc3"), "\u00b7");                      // cut
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\u00b7\u00b7\u00b7");  // a surrogate
  EXPECT_EQ(Printable("\x1b[31m"), "\u00b7[31m");              // no escape sequence survives
}

TEST(Format, HtmlCantBreakOut) {
  EXPECT_EQ(EscapeHtml("<a href='x'>&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;");
}

}  // namespace
}  // namespace tideway::trainer
