// The published chain by itself: random pushes, and pulls from random positions, by many clients.

#include "core/server/published_chain.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/server/difference_codecs.h"
#include "core/wire/difference.h"
#include "core/wire/frame.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/builtin_codecs.h"
#include "tideway/limits.h"

namespace tideway {
namespace {

using ::testing::HasSubstr;
using Answer = PublishedChain::Answer;

constexpr size_t kElements = 300;

std::unique_ptr<Codec> Make(const std::string& spec) {
  auto codec = BuiltinCodecs().Create(spec);
  EXPECT_TRUE(codec.ok()) << codec.status();
  return *std::move(codec);
}

std::vector<uint32_t> Bits(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

// What a client does with an answer, with nothing but the answer and what it holds.
struct Reader {
  wire::ChainPosition held;
  std::vector<float> copy;    // at `held`
  std::vector<float> values;  // that the last answer brought
  int differences = 0;

  void Take(const Codec& codec, const Answer& answer) {
    EXPECT_EQ(wire::HashPayload(answer.bytes), answer.hash);
    if (answer.start.has_value()) {
      ++differences;
      ASSERT_EQ(*answer.start, held);
      ASSERT_NO_FATAL_FAILURE(Advance(codec, answer.bytes));
    } else {
      ASSERT_EQ(answer.bytes.size(), kElements * sizeof(float));
      values.resize(kElements);
      std::memcpy(values.data(), answer.bytes.data(), answer.bytes.size());
    }
    if (answer.reached.none()) return;  // of no chain
    held = answer.reached;
    copy = values;
  }

  void Advance(const Codec& codec, absl::Span<const std::byte> payload) {
    ASSERT_LT(payload.size(), kElements * sizeof(float)) << "not smaller than an anchor";
    const auto read = wire::ReadDifferences(payload);
    ASSERT_TRUE(read.ok()) << read.status();
    values = copy;
    for (const auto& link : read->links) {
      ASSERT_TRUE(wire::ApplyDifference(codec, link, absl::MakeSpan(values)).ok());
    }
    EXPECT_EQ(wire::HashValues(values), read->result_hash);
  }
};

class Master {
 public:
  explicit Master(uint64_t seed) : random_(seed), theta_(kElements) {
    for (float& value : theta_) value = Normal();
  }

  // A push moves some or all of the values a little.
  void Push() {
    const size_t stride = 1 + random_() % 20;
    for (size_t i = random_() % stride; i < theta_.size(); i += stride) {
      theta_[i] += 0.01f * Normal();
    }
    ++version_;
  }

  float Normal() { return std::normal_distribution<float>()(random_); }
  uint64_t Random() { return random_(); }
  uint64_t version() const { return version_; }
  std::vector<float>& theta() { return theta_; }

 private:
  std::mt19937_64 random_;
  std::vector<float> theta_;
  uint64_t version_ = 0;
};

size_t MemoryBytesMax() {
  return (2 + kPublishedWindowsKept + kChainAnswersKept) * kElements * sizeof(float);
}

class Chains : public ::testing::TestWithParam<std::string> {};

// Whoever has reached one version, by whatever way, has the same bits.
TEST_P(Chains, EveryReaderOfAVersionHasTheSameBitsWhateverItHeldBefore) {
  const auto codec = Make(GetParam());
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Master master(seed);
    PublishedChain chain(seed);
    std::vector<Reader> readers(5);
    std::map<std::pair<uint64_t, uint64_t>, std::vector<uint32_t>> known;
    int differences = 0;
    for (int step = 0; step < 150; ++step) {
      for (uint64_t pushes = master.Random() % 3; pushes > 0; --pushes) master.Push();
      Reader& reader = readers[master.Random() % readers.size()];
      if (master.Random() % 40 == 0) reader = Reader();  // a worker that begins anew
      const Answer answer = chain.Serve(*codec, 0, master.version(), master.theta(), reader.held);
      ASSERT_NO_FATAL_FAILURE(reader.Take(*codec, answer));
      ASSERT_EQ(reader.held.version, master.version());
      const auto [it, first] =
          known.emplace(std::pair(reader.held.chain, reader.held.version), Bits(reader.values));
      ASSERT_EQ(it->second, Bits(reader.values)) << "step " << step;
      ASSERT_LE(chain.memory_bytes(), MemoryBytesMax()) << "step " << step;
    }
    for (const Reader& reader : readers) differences += reader.differences;
    EXPECT_GT(differences, 10) << "anchors alone show nothing";
  }
}

// Everybody who pulls for a window gets what the first one got, whatever is published between.
TEST_P(Chains, AWindowKeepsItsCopy) {
  const auto codec = Make(GetParam());
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Master master(seed);
    PublishedChain chain(seed);
    std::vector<Reader> readers(5);
    std::map<uint64_t, std::pair<uint64_t, std::vector<float>>> pinned;  // as a fragment keeps it
    std::map<uint64_t, std::vector<uint32_t>> by_window;
    uint64_t window = 1;
    for (int step = 0; step < 150; ++step) {
      for (uint64_t pushes = master.Random() % 3; pushes > 0; --pushes) master.Push();
      if (master.Random() % 8 == 0) ++window;
      pinned.try_emplace(window, master.version(), master.theta());
      uint64_t asked =
          master.Random() % 3 == 0 ? 0 : window - master.Random() % std::min<uint64_t>(3, window);
      const auto pin = pinned.find(asked);
      if (pin == pinned.end()) asked = 0;
      Reader& reader = readers[master.Random() % readers.size()];
      const Answer answer =
          asked == 0
              ? chain.Serve(*codec, 0, master.version(), master.theta(), reader.held)
              : chain.Serve(*codec, asked, pin->second.first, pin->second.second, reader.held);
      ASSERT_NO_FATAL_FAILURE(reader.Take(*codec, answer));
      ASSERT_LE(chain.memory_bytes(), MemoryBytesMax()) << "step " << step;
      if (asked == 0) continue;
      EXPECT_EQ(answer.reached.version, pin->second.first);
      const auto [it, first] = by_window.emplace(asked, Bits(reader.values));
      ASSERT_EQ(it->second, Bits(reader.values)) << "step " << step << " window " << asked;
    }
    EXPECT_GT(by_window.size(), 8u);
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, Chains,
                         ::testing::Values("bf16", "int8:block=64", "topk:density=0.05",
                                           "topk:density=0.1,values=int8", "sparse_lossless"),
                         [](const auto& test) {
                           std::string name;
                           for (const char c : test.param)
                             name += absl::ascii_isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

TEST(PublishedChain, TheLosslessChainEqualsTheMasterCopyBitForBit) {
  const auto codec = Make("sparse_lossless");
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Master master(seed);
    PublishedChain chain(seed);
    std::vector<Reader> readers(3);
    int differences = 0;
    for (int step = 0; step < 100; ++step) {
      for (uint64_t pushes = master.Random() % 3; pushes > 0; --pushes) master.Push();
      if (step % 10 == 9) {  // bits that no arithmetic keeps
        master.theta()[master.Random() % kElements] = std::bit_cast<float>(0x7fc12345u);
        master.theta()[master.Random() % kElements] = -0.0f;
        master.Push();
      }
      Reader& reader = readers[master.Random() % readers.size()];
      const Answer answer = chain.Serve(*codec, 0, master.version(), master.theta(), reader.held);
      ASSERT_NO_FATAL_FAILURE(reader.Take(*codec, answer));
      ASSERT_EQ(Bits(reader.values), Bits(master.theta())) << "step " << step;
      ASSERT_EQ(reader.held.chain, seed) << "the chain never has to begin anew";
      differences += answer.start.has_value();
    }
    EXPECT_GT(differences, 30);
  }
}

float LargestError(const std::vector<float>& a, const std::vector<float>& b) {
  float largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST(PublishedChain, WhatOneDifferenceLeavesOutIsInTheNext) {
  const auto codec = Make("topk:density=0.1");
  Master master(3);
  PublishedChain chain(1);
  Reader reader;
  reader.Take(*codec, chain.Serve(*codec, 0, 0, master.theta(), reader.held));
  for (float& value : master.theta()) value += 1.0f;
  for (uint64_t version = 1; version <= 12; ++version) {  // theta stands still: ten tenths arrive
    reader.Take(*codec, chain.Serve(*codec, 0, version, master.theta(), reader.held));
  }
  EXPECT_LT(LargestError(reader.values, master.theta()), 1e-6f);
  EXPECT_EQ(reader.differences, 12);
}

TEST(PublishedChain, WhoIsUpToDateGetsTheHeadOfAnEmptyRow) {
  const auto codec = Make("int8");
  Master master(4);
  PublishedChain chain(1);
  Reader reader;
  reader.Take(*codec, chain.Serve(*codec, 0, 5, master.theta(), reader.held));
  const Answer answer = chain.Serve(*codec, 0, 5, master.theta(), reader.held);
  EXPECT_EQ(answer.bytes.size(), wire::DifferencesBytes(0, 0));
  reader.Take(*codec, answer);
  EXPECT_EQ(reader.values, master.theta()) << "the first copy is the master copy";
}

TEST(PublishedChain, AVersionIsEncodedOnceAndAnAnswerMadeOnce) {
  const auto codec = Make("int8");
  Master master(5);
  PublishedChain chain(1);
  const wire::ChainPosition held = chain.Serve(*codec, 0, 0, master.theta(), {}).reached;
  master.Push();
  const Answer first = chain.Serve(*codec, 0, 1, master.theta(), held);
  const Answer second = chain.Serve(*codec, 0, 1, master.theta(), held);
  ASSERT_TRUE(first.start.has_value());
  EXPECT_EQ(first.bytes.data(), second.bytes.data());
}

TEST(PublishedChain, WhoIsTooFarBehindGetsTheAnchor) {
  const auto codec = Make("int8");
  Master master(6);
  PublishedChain chain(1);
  const wire::ChainPosition held = chain.Serve(*codec, 0, 0, master.theta(), {}).reached;
  int differences = 0;
  for (int version = 1; version <= 10; ++version) {
    master.Push();
    differences += chain.Serve(*codec, 0, master.version(), master.theta(), held).start.has_value();
  }
  EXPECT_GE(differences, 2) << "three int8 differences are smaller than fp32";
  EXPECT_LE(differences, 3);
}

TEST(PublishedChain, APositionOfAnotherChainIsWorthNothing) {
  const auto codec = Make("int8");
  Master master(7);
  PublishedChain former(1);
  PublishedChain chain(2);
  const wire::ChainPosition held = former.Serve(*codec, 0, 3, master.theta(), {}).reached;
  chain.Serve(*codec, 0, 3, master.theta(), {});
  const Answer answer = chain.Serve(*codec, 0, 3, master.theta(), held);
  EXPECT_FALSE(answer.start.has_value());
  EXPECT_EQ(answer.reached, (wire::ChainPosition{2, 3}));
}

TEST(PublishedChain, AWindowThatTheChainIsPastGetsTheMasterCopyOfItsVersion) {
  const auto codec = Make("topk:density=0.1");
  Master master(8);
  PublishedChain chain(1);
  const std::vector<float> old = master.theta();
  chain.Serve(*codec, 0, 0, old, {});
  master.Push();
  const wire::ChainPosition held =
      chain.Serve(*codec, 0, 5, master.theta(), {}).reached;  // version 5
  Reader reader;
  reader.Take(*codec, chain.Serve(*codec, 9, 2, old, held));
  EXPECT_EQ(reader.values, old);
  EXPECT_TRUE(reader.held.none()) << "the copy is of no chain";
  const Answer again = chain.Serve(*codec, 9, 2, old, {});
  EXPECT_EQ(again.reached.version, 2u);
}

TEST(PublishedChain, ParametersThatNoDifferenceReachesBeginANewChain) {
  const auto codec = Make("int8");
  Master master(9);
  PublishedChain chain(1);
  Reader reader;
  reader.Take(*codec, chain.Serve(*codec, 0, 0, master.theta(), reader.held));
  const std::vector<float> good = master.theta();
  master.theta()[7] = std::numeric_limits<float>::infinity();
  reader.Take(*codec, chain.Serve(*codec, 0, 1, master.theta(), reader.held));
  EXPECT_EQ(Bits(reader.values), Bits(master.theta()));
  EXPECT_EQ(reader.held, (wire::ChainPosition{2, 1}));
  reader.Take(*codec, chain.Serve(*codec, 0, 2, good, reader.held));
  EXPECT_EQ(Bits(reader.values), Bits(good));
}

TEST(DifferenceCodecs, ClientsOfOneSpecShareACodecAndTheirNumberIsBounded) {
  const CodecRegistry registry = BuiltinCodecs();
  DifferenceCodecs codecs(&registry, 2);
  auto first = codecs.Take("int8:block=64");
  auto second = codecs.Take("bf16");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(codecs.Take("int8:block=64")->get(), first->get());
  auto third = codecs.Take("topk:density=0.5");
  EXPECT_EQ(third.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(third.status().message()), HasSubstr("difference_codecs_max"));
  EXPECT_TRUE(codecs.Take("bf16").ok()) << "the refused one left no trace";
  second->reset();
  EXPECT_TRUE(codecs.Take("topk:density=0.5").ok()) << "there is room again";
  EXPECT_EQ(codecs.Take("zip").status().code(), absl::StatusCode::kNotFound);
}

TEST(DifferenceCodecs, AServerThatWantsNoneGivesNone) {
  const CodecRegistry registry = BuiltinCodecs();
  DifferenceCodecs codecs(&registry, 0);
  EXPECT_EQ(codecs.Take("int8").status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace tideway
