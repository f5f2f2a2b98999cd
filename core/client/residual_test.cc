// The residual by itself: momentum correction against the paper's loops, and what an error leaves as it was.

#include "core/client/residual.h"

#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/builtin_codecs.h"

namespace tideway {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr size_t kElements = 8;

class ResidualTest : public ::testing::Test {
 protected:
  // What the codec sent of delta.
  std::vector<float> Send(Residual& residual, const std::vector<float>& delta) {
    std::vector<std::byte> out(codec_->Bound(kElements));
    const auto bytes = residual.Encode(*codec_, 0, delta, absl::MakeSpan(out));
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    std::vector<float> sent(kElements, 0.0f);
    if (!bytes.ok()) return sent;
    const auto encoded = absl::MakeConstSpan(out).first(*bytes);
    EXPECT_TRUE(codec_->DecodeAdd(encoded, 1.0f, absl::MakeSpan(sent)).ok());
    return sent;
  }

  static std::vector<float> Kept(const Residual& residual) {
    std::vector<float> kept(kElements, 0.0f);
    residual.CopyTo(absl::MakeSpan(kept));
    return kept;
  }

  std::vector<float> RandomDelta() {
    std::vector<float> delta(kElements);
    for (float& value : delta) value = static_cast<float>(random_() % 2001) / 1000 - 1;
    return delta;
  }

  const Layout layout_ = *Layout::Create({{"w", {int64_t{kElements}}}}, {});
  const std::unique_ptr<Codec> codec_ =
      *BuiltinCodecs().Create("topk:density=0.25,values=fp32");  // 2 of 8
  std::mt19937_64 random_{11};
};

// Lin et al., arXiv 1712.01887, algorithm 1 as changed by section 3.2: u = m u + g, v = v + u, send the largest of v, and set v and,
// with masking, u to zero where something was sent.
class MomentumCorrection : public ResidualTest, public ::testing::WithParamInterface<bool> {};

TEST_P(MomentumCorrection, SendsWhatThePapersLoopsSend) {
  constexpr float kMomentum = 0.9f;
  Residual residual(&layout_, 0, {.momentum = kMomentum, .masking = GetParam()});
  std::vector<float> u(kElements, 0.0f);
  std::vector<float> v(kElements, 0.0f);
  for (int push = 0; push < 50; ++push) {
    const std::vector<float> delta = RandomDelta();
    for (size_t i = 0; i < kElements; ++i) {
      u[i] = kMomentum * u[i] + delta[i];
      v[i] = v[i] + u[i];
    }
    const std::vector<float> sent = Send(residual, delta);
    for (size_t i = 0; i < kElements; ++i) {
      if (sent[i] == 0) continue;
      ASSERT_EQ(sent[i], v[i]) << "element " << i << " of push " << push;
      v[i] = 0;
      if (GetParam()) u[i] = 0;
    }
    ASSERT_EQ(Kept(residual), v) << "push " << push;
  }
}

INSTANTIATE_TEST_SUITE_P(Masking, MomentumCorrection, ::testing::Bool());

TEST_F(ResidualTest, AnErrorLeavesResidualAndVelocityAsTheyWere) {
  Residual spoiled(&layout_, 0, {.momentum = 0.5f});
  Residual spared(&layout_, 0, {.momentum = 0.5f});
  for (int push = 0; push < 5; ++push) {
    const std::vector<float> delta = RandomDelta();
    EXPECT_EQ(Send(spoiled, delta), Send(spared, delta));
    const std::vector<float> bad(kElements, std::numeric_limits<float>::infinity());
    std::vector<std::byte> out(codec_->Bound(kElements));
    EXPECT_TRUE(
        absl::IsInvalidArgument(spoiled.Encode(*codec_, 0, bad, absl::MakeSpan(out)).status()));
    EXPECT_EQ(Kept(spoiled), Kept(spared));
  }
}

TEST_F(ResidualTest, SumsTellTheNormAndWhatIsNotZero) {
  Residual residual(&layout_, 0, {});
  Send(residual, {9, 3, 0, -4, 0, 9, 0, 0});  // the nines are sent
  EXPECT_THAT(Kept(residual), ElementsAre(0, 3, 0, -4, 0, 0, 0, 0));
  Residual::Sums sums;
  residual.AddTo(&sums);
  EXPECT_EQ(sums.squares, 25.0);
  EXPECT_EQ(sums.nonzero, 2u);
}

TEST_F(ResidualTest, WithoutErrorFeedbackNothingIsKept) {
  Residual residual(&layout_, 0, {.enabled = false});
  Send(residual, RandomDelta());
  residual.Add(0, RandomDelta());
  EXPECT_TRUE(residual.empty());
  EXPECT_THAT(Kept(residual), Each(0.0f));
}

}  // namespace
}  // namespace tideway
