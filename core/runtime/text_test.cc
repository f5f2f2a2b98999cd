// Uri and Spec: what people type.

#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tideway/limits.h"
#include "tideway/spec.h"
#include "tideway/uri.h"

namespace tideway {
namespace {

TEST(Uri, ParsesEachForm) {
  auto plain = Uri::Parse("tcp://127.0.0.1:5000");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->scheme, "tcp");
  EXPECT_EQ(plain->host, "127.0.0.1");
  EXPECT_EQ(plain->port, 5000);
  auto ipv6 = Uri::Parse("tcp://[fe80::1%eth0]:0");
  ASSERT_TRUE(ipv6.ok()) << ipv6.status();
  EXPECT_EQ(ipv6->host, "fe80::1%eth0");
  EXPECT_EQ(ipv6->port, 0);
  auto named = Uri::Parse("inproc://server-0");
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_FALSE(named->port.has_value());
  auto params = Uri::Parse("tcp://head_node:5000?spin_us=0&congestion=cubic");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->params.at("congestion"), "cubic");
  EXPECT_EQ(params->ToString(), "tcp://head_node:5000?congestion=cubic&spin_us=0");
}

TEST(Uri, RefusesMalformedTextAndShowsTheGrammar) {
  for (const std::string& text :
       std::vector<std::string>{"",
                                "tcp",
                                "tcp:/x",
                                "://x",
                                "TCP://x:1",
                                "tcp://",
                                "tcp://:1",
                                "tcp://a b:1",
                                "tcp://a:",
                                "tcp://a:x",
                                "tcp://a:65536",
                                "tcp://a:-1",
                                "tcp://a:1/",
                                "tcp://[::1:1",
                                "tcp://[]:1",
                                "tcp://[a]:1",
                                "tcp://[::1]x",
                                "tcp://::1:5",
                                "tcp://a:1?",
                                "tcp://a:1?x",
                                "tcp://a:1?=y",
                                "tcp://a:1?x=1&x=2",
                                "tcp://a:1?x=1&",
                                "tcp://a:1 ",
                                "tcp://a:1?x=a b",
                                std::string("tcp://a\0b:1", 11),
                                "tcp://" + std::string(kUriBytesMax, 'a')}) {
    auto uri = Uri::Parse(text);
    ASSERT_EQ(uri.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StrContains(uri.status().message(), "scheme://host:port")) << uri.status();
    EXPECT_LT(uri.status().message().size(), 600u) << uri.status();
  }
}

std::string RandomText(std::mt19937_64& random, absl::string_view alphabet, size_t length_max) {
  std::string text(random() % (length_max + 1), ' ');
  for (char& c : text) {
    c = alphabet.empty() ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
  }
  return text;
}

TEST(Uri, WhatParsesComesBackTheSameFromItsCanonicalText) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    int parsed = 0;
    for (int i = 0; i < 2000; ++i) {
      const std::string text = absl::StrCat("t", RandomText(random, "cp+", 2), "://",
                                            RandomText(random, "a1.-[]:?&=%", 12),
                                            random() % 2 ? ":5" : "", random() % 2 ? "?k=v" : "");
      auto uri = Uri::Parse(text);
      if (!uri.ok()) continue;
      ++parsed;
      auto again = Uri::Parse(uri->ToString());
      ASSERT_TRUE(again.ok()) << "seed " << seed << ": " << text << ": " << again.status();
      EXPECT_EQ(again->scheme, uri->scheme);
      EXPECT_EQ(again->host, uri->host);
      EXPECT_EQ(again->port, uri->port);
      EXPECT_EQ(again->params, uri->params);
      EXPECT_EQ(again->ToString(), uri->ToString());
    }
    EXPECT_GT(parsed, 10) << "seed " << seed;
  }
}

TEST(Uri, ArbitraryBytesAreRefusedOrParsedNeverMore) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < 500; ++i) {
      const std::string text =
          absl::StrCat(random() % 2 ? "tcp://" : "", RandomText(random, "", 60));
      auto uri = Uri::Parse(text);
      if (uri.ok()) {
        EXPECT_TRUE(Uri::Parse(uri->ToString()).ok())
            << "seed " << seed << ": " << absl::CHexEscape(text);
      } else {
        EXPECT_EQ(uri.status().code(), absl::StatusCode::kInvalidArgument);
      }
    }
  }
}

TEST(Spec, ParsesNamesAndParametersAndSortsTheKeys) {
  auto spec = Spec::Parse("topk:values=int8,density=0.01");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name, "topk");
  EXPECT_EQ(spec->params.size(), 2u);
  EXPECT_EQ(spec->ToString(), "topk:density=0.01,values=int8");
  EXPECT_EQ(Spec::Parse("identity")->ToString(), "identity");
}

TEST(Spec, RefusesMalformedTextAndShowsTheGrammar) {
  for (const std::string& text :
       std::vector<std::string>{"", ":", ":a=1", "x:", "x:a", "x:a=", "x:=1", "x:a=1,", "x:a=1,a=2",
                                "x y", "x:a=1 2", "x:a=b=c", std::string(kSpecBytesMax + 1, 'a')}) {
    auto spec = Spec::Parse(text);
    ASSERT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StrContains(spec.status().message(), "name:key=value")) << spec.status();
  }
}

TEST(Spec, WhatParsesComesBackTheSameAndArbitraryBytesNeverCrash) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    std::mt19937_64 random(seed);
    int parsed = 0;
    for (int i = 0; i < 500; ++i) {
      const std::string text =
          i % 2 ? RandomText(random, "", 40)
                : absl::StrCat("c", random() % 4 ? ":k=v," : ":", RandomText(random, "ab=,.", 6));
      auto spec = Spec::Parse(text);
      if (!spec.ok()) continue;
      ++parsed;
      auto again = Spec::Parse(spec->ToString());
      ASSERT_TRUE(again.ok()) << "seed " << seed << ": " << text;
      EXPECT_EQ(again->name, spec->name);
      EXPECT_EQ(again->params, spec->params);
    }
    EXPECT_GT(parsed, 0) << "seed " << seed;
  }
}

TEST(Spec, AChainIsParsedFromTheInsideOut) {
  auto chain = Spec::ParseChain("int8:block=256+zstd:level=3");
  ASSERT_TRUE(chain.ok()) << chain.status();
  ASSERT_EQ(chain->size(), 2u);
  EXPECT_EQ(chain->front().ToString(), "int8:block=256");
  EXPECT_EQ(chain->back().ToString(), "zstd:level=3");
  EXPECT_EQ(Spec::ParseChain("identity")->size(), 1u);
}

TEST(Spec, AMalformedChainIsRefusedAndTheBadPartIsShown) {
  for (const std::string& text :
       std::vector<std::string>{"", "+", "a+", "+a", "a++b", "a+b:", "a:k=1+", "a+b c",
                                absl::StrCat("a+", std::string(kSpecBytesMax, 'b'))}) {
    auto chain = Spec::ParseChain(text);
    ASSERT_EQ(chain.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StrContains(chain.status().message(), "name:key=value")) << chain.status();
  }
  EXPECT_TRUE(absl::StrContains(Spec::ParseChain("a+b:k").status().message(), "'b:k'"));
}

TEST(SpecReader, HandsOutValuesAndFallbacks) {
  const Spec spec = *Spec::Parse("x:a=0.5,b=-3,c=two");
  SpecReader reader(spec);
  EXPECT_EQ(reader.Number("a", 9, 0, 1), 0.5);
  EXPECT_EQ(reader.Integer("b", 9, -5, 5), -3);
  EXPECT_EQ(reader.Choice("c", "one", {"one", "two"}), "two");
  EXPECT_EQ(reader.Number("d", 9, 0, 1), 9);
  EXPECT_TRUE(reader.Has("a"));
  EXPECT_FALSE(reader.Has("d"));
  EXPECT_TRUE(reader.Finish().ok()) << reader.Finish();
}

TEST(SpecReader, AValueOutOfRangeIsAnErrorThatNamesTheRange) {
  for (const char* text : {"x:a=2", "x:a=nan", "x:a=inf", "x:a=abc", "x:a=1e999", "x:a=0.5x"}) {
    const Spec spec = *Spec::Parse(text);
    SpecReader reader(spec);
    EXPECT_EQ(reader.Number("a", 0.25, 0, 1), 0.25) << text;
    EXPECT_EQ(reader.Finish().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StrContains(reader.Finish().message(), "from 0 to 1")) << reader.Finish();
  }
  for (const char* text : {"x:a=2.5", "x:a=99999999999999999999", "x:a=7"}) {
    const Spec spec = *Spec::Parse(text);
    SpecReader reader(spec);
    EXPECT_EQ(reader.Integer("a", 1, 0, 5), 1) << text;
    EXPECT_FALSE(reader.Finish().ok()) << text;
  }
  const Spec spec = *Spec::Parse("x:a=three");
  SpecReader reader(spec);
  EXPECT_EQ(reader.Choice("a", "one", {"one", "two"}), "one");
  EXPECT_TRUE(absl::StrContains(reader.Finish().message(), "one, two")) << reader.Finish();
}

TEST(SpecReader, AnUnknownKeyIsAnErrorThatNamesTheKnownOnes) {
  const Spec spec = *Spec::Parse("x:blocc=2");
  SpecReader reader(spec);
  reader.Integer("block", 1, 0, 5);
  reader.Number("decay", 1, 0, 5);
  EXPECT_EQ(reader.Finish().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(reader.Finish().message(), "blocc")) << reader.Finish();
  EXPECT_TRUE(absl::StrContains(reader.Finish().message(), "block, decay")) << reader.Finish();
}

}  // namespace
}  // namespace tideway
