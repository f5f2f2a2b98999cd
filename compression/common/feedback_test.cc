// What kernels share is the same on every target.

#include "compression/common/feedback.h"

#include "compression/common/kernel_testing.h"
#include "compression/common/scalar.h"
#include "gtest/gtest.h"

namespace tideway::compression {
namespace {

TEST(Feedback, TheLargestMagnitudeIsTheScalarReferencesOnEveryTarget) {
  testing::OnEveryTarget([] {
    testing::WithEveryLengthAndKind([](testing::Case& c) {
      const uint32_t expected = c.feedback ? scalar::MagnitudeMax<true>(c.pushed(), 0)
                                           : scalar::MagnitudeMax<false>(c.pushed(), 0);
      ASSERT_EQ(MagnitudeBitsMax(c.pushed()), expected);
    });
  });
}

TEST(Feedback, ALargestElementIsFoundWhereverItStands) {
  testing::OnEveryTarget([] {
    std::vector<float> delta(200, 1.0f);
    for (size_t i = 0; i < delta.size(); ++i) {
      delta[i] = -3.0f;
      ASSERT_EQ(MagnitudeBitsMax({delta.data(), nullptr, 1.0f, delta.size()}), BitsOf(3.0f)) << i;
      delta[i] = 1.0f;
    }
  });
}

TEST(Feedback, AddFeedbackLeavesTheScalarReferencesSumOnEveryTarget) {
  testing::OnEveryTarget([] {
    testing::WithEveryLengthAndKind([](testing::Case& c) {
      if (!c.feedback) return;
      testing::Case expected = c;
      scalar::AddFeedback(expected.pushed(), 0);
      AddFeedback(c.pushed());
      ASSERT_TRUE(testing::SameBits(c.residual, expected.residual));
    });
  });
}

}  // namespace
}  // namespace tideway::compression
