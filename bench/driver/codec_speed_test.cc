#include "bench/driver/codec_speed.h"

#include <algorithm>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/builtin_codecs.h"

namespace bench {
namespace {

using ::testing::HasSubstr;

CodecSpeedSettings Small() {
  // A last fragment that is shorter than the others.
  return {.bytes = 10000 * sizeof(float),
          .fragment_bytes = 4096 * sizeof(float),
          .rounds = 2,
          .round = absl::Milliseconds(4)};
}

TEST(CodecSpeed, EveryRoundHasEveryKindOfWork) {
  const auto codec = tideway::BuiltinCodecs().Create("int8");
  ASSERT_TRUE(codec.ok());
  const auto speed = MeasureCodec(**codec, Small());
  ASSERT_TRUE(speed.ok()) << speed.status();
  ASSERT_EQ(speed->rounds.size(), 2u);
  for (const CodecRound& round : speed->rounds) {
    for (const CodecTurn& turn : round) {
      EXPECT_GT(turn.gbytes_per_s(), 0);
      EXPECT_GT(turn.latencies.count(), 0u);
    }
  }
  EXPECT_GT(speed->bytes_per_fp32_byte, 0.25);
  EXPECT_LT(speed->bytes_per_fp32_byte, 0.27);
  EXPECT_DOUBLE_EQ(speed->RatioToMemcpy(CodecWork::kMemcpy).median, 1);
}

// Decodes to half of what was encoded, and says that nothing is left over.
class Halving final : public tideway::Codec {
 public:
  const tideway::CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override { return elements * sizeof(float); }
  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float>,
                                const tideway::EncodeOptions&,
                                absl::Span<std::byte> out) const override {
    std::copy_n(reinterpret_cast<const std::byte*>(delta.data()), delta.size() * sizeof(float),
                out.data());
    return delta.size() * sizeof(float);
  }
  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    const auto* const floats = reinterpret_cast<const float*>(in.data());
    for (size_t i = 0; i < accumulator.size(); ++i) accumulator[i] += 0.5f * scale * floats[i];
    return absl::OkStatus();
  }

 private:
  tideway::CodecInfo info_ = {.name = "halving", .spec = "halving"};
};

TEST(CodecSpeed, ACodecThatLosesSomethingIsNotMeasured) {
  const auto speed = MeasureCodec(Halving(), Small());
  EXPECT_TRUE(absl::IsDataLoss(speed.status())) << speed.status();
}

}  // namespace
}  // namespace bench
