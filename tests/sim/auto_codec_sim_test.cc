// codec_up "auto" over links whose speed is known, in virtual time: encoding takes none, so that the link alone decides.

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sim/sim_pair.h"

namespace tideway {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kElements = 20000;
constexpr float kValue = 127.0f;

class AutoCodec : public ::testing::Test, protected testing::SimPair {
 protected:
  AutoCodec() : SimPair(kElements, 16384) {}

  void Start(const SimLink& link, std::vector<std::string> codecs_up) {
    SimPair::Start(link, {}, {.codec_up = "auto", .codecs_up = std::move(codecs_up)});
  }

  // One push after the other. Int8's scale for 127 is 1, so that each codec here sends it exactly.
  void Push(int pushes) {
    const std::vector<float> delta(kElements, kValue);
    for (int i = 0; i < pushes; ++i) SimPair::Push(delta);
    pushed_ += pushes;
  }

  std::string CodecUp() const { return client_->connections()[0].details.at("codec_up"); }

  void ExpectTheExactSum() {
    std::vector<float> parameters(kElements);
    client_->Pull(absl::MakeSpan(parameters), {}, Later(), KeptResult());
    Await();
    EXPECT_THAT(parameters, ::testing::Each(static_cast<float>(-pushed_) * kValue));
  }

 private:
  int pushed_ = 0;
};

TEST_F(AutoCodec, OverASlowLinkTheCodecOfFewestBytesIsChosen) {
  Start({.bytes_per_second = 1e6}, {"bf16", "int8"});
  Push(12);
  EXPECT_THAT(CodecUp(), StartsWith("int8:block=256: the quickest (identity "));
  ExpectTheExactSum();
}

TEST_F(AutoCodec, WhereBytesCostNothingItStaysWithIdentity) {
  Start({.latency = absl::Milliseconds(1), .bytes_per_second = 1e15}, {"bf16", "int8"});
  Push(12);
  EXPECT_THAT(CodecUp(), StartsWith("identity: none was clearly quicker (identity "));
  ExpectTheExactSum();
}

TEST_F(AutoCodec, SaysThatItIsTryingUntilAllHaveBeenTried) {
  Start({.bytes_per_second = 1e6}, {"int8"});
  EXPECT_THAT(CodecUp(), StartsWith("trying (identity not measured, "));
  Push(2);
  EXPECT_THAT(CodecUp(), HasSubstr("int8:block=256 not measured"));
  ExpectTheExactSum();
}

}  // namespace
}  // namespace tideway
