#include "core/client/codec_chooser.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"

namespace tideway {
namespace {

constexpr uint64_t kPush = 1 << 20;

// Lets the chooser push `pushes` times over a link where candidate i moves rates[i] bytes per second; returns how often each
// candidate was used.
std::vector<int> Push(CodecChooser& chooser, const std::vector<double>& rates, int pushes) {
  std::vector<int> used(rates.size(), 0);
  for (int i = 0; i < pushes; ++i) {
    const size_t candidate = chooser.Next();
    ++used[candidate];
    chooser.Note(candidate, kPush, absl::Seconds(static_cast<double>(kPush) / rates[candidate]));
  }
  return used;
}

TEST(CodecChooser, BeginsWithIdentityAndTriesEveryCandidate) {
  CodecChooser chooser(3);
  EXPECT_EQ(chooser.Next(), 0u);
  EXPECT_TRUE(chooser.trying());
  const std::vector<int> used = Push(chooser, {1e9, 2e9, 3e9}, 7);
  EXPECT_GT(*std::min_element(used.begin(), used.end()), 0);
  EXPECT_FALSE(chooser.trying());
}

TEST(CodecChooser, TakesTheQuickest) {
  CodecChooser chooser(3);
  Push(chooser, {1e8, 1.9e8, 3.8e8}, 10);
  EXPECT_EQ(chooser.chosen(), 2u);
}

TEST(CodecChooser, StaysWithIdentityWhereNothingIsClearlyQuicker) {
  CodecChooser chooser(3);
  Push(chooser, {5e9, 5.2e9, 3e9}, 10);
  EXPECT_EQ(chooser.chosen(), 0u);
}

TEST(CodecChooser, NeverChoosesWhatIsSlowerThanIdentityWhateverTheRates) {
  for (double slower : {0.1, 0.5, 0.9, 1.0}) {
    CodecChooser chooser(2);
    const std::vector<int> used = Push(chooser, {1e9, slower * 1e9}, 1000);
    EXPECT_EQ(chooser.chosen(), 0u) << slower;
    EXPECT_LT(used[1], 12) << "trials are rare";
  }
}

TEST(CodecChooser, TheFirstPushDoesNotCount) {
  CodecChooser chooser(2);
  chooser.Note(chooser.Next(), kPush, absl::Seconds(100));
  EXPECT_EQ(chooser.figures()[0].pushes, 0u);
  Push(chooser, {1e9, 1e8}, 10);
  EXPECT_EQ(chooser.chosen(), 0u);
}

TEST(CodecChooser, NoticesThatTheLinkHasBecomeSlow) {
  CodecChooser chooser(2);
  Push(chooser, {5e9, 2e9}, 20);
  ASSERT_EQ(chooser.chosen(), 0u);
  Push(chooser, {1e8, 4e8}, 200);
  EXPECT_EQ(chooser.chosen(), 1u);
}

TEST(CodecChooser, NoticesThatTheLinkHasBecomeQuick) {
  CodecChooser chooser(2);
  Push(chooser, {1e8, 4e8}, 20);
  ASSERT_EQ(chooser.chosen(), 1u);
  Push(chooser, {5e9, 2e9}, 200);
  EXPECT_EQ(chooser.chosen(), 0u);
}

TEST(CodecChooser, WithOneCandidateThereIsNothingToTry) {
  CodecChooser chooser(1);
  EXPECT_EQ(Push(chooser, {1e9}, 500)[0], 500);
}

}  // namespace
}  // namespace tideway
