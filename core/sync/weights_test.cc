// Layouts of weights: what is refused and how it is said, and how two layouts are compared.

#include "tideway/weights.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<WeightSpec> Model() {
  return {{"embed", WeightType::kBf16, {10, 4}},
          {"norm", WeightType::kFp32, {4}},
          {"scale", WeightType::kFp16, {}}};
}

std::string RefusalOf(std::vector<WeightSpec> tensors) {
  const absl::Status status = WeightLayout::Create(std::move(tensors)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

std::string DifferenceOf(std::vector<WeightSpec> theirs) {
  const auto ours = WeightLayout::Create(Model());
  const absl::Status status = CheckSameWeights(*ours, "this subscriber", theirs, "the publisher");
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  return std::string(status.message());
}

TEST(WeightLayout, KnowsTheBytesOfEachTensorAndOfAll) {
  const auto layout = WeightLayout::Create(Model());
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->bytes_of(0), 80u);
  EXPECT_EQ(layout->bytes_of(1), 16u);
  EXPECT_EQ(layout->bytes_of(2), 2u);
  EXPECT_EQ(layout->bytes(), 98u);
  EXPECT_EQ(layout->Find("norm"), 1u);
  EXPECT_EQ(layout->Find("nor"), std::nullopt);
  EXPECT_EQ(layout->ToString(), "3 tensors, 98 bytes");
}

TEST(WeightLayout, NamesTheTensorThatItRefuses) {
  EXPECT_THAT(RefusalOf({}), HasSubstr("0 tensors"));
  EXPECT_THAT(RefusalOf({{"a", WeightType::kBf16, {1}}, {"", WeightType::kBf16, {1}}}),
              HasSubstr("tensor number 1 has no name"));
  EXPECT_THAT(RefusalOf({{"a", WeightType::kBf16, {1}}, {"a", WeightType::kBf16, {1}}}),
              HasSubstr("two tensors are named 'a'"));
  EXPECT_THAT(RefusalOf({{"a", WeightType::kBf16, {3, 0}}}),
              AllOf(HasSubstr("tensor 'a'"), HasSubstr("[3, 0]")));
  EXPECT_THAT(RefusalOf({{"a", WeightType::kBf16, {3, -1}}}), HasSubstr("tensor 'a'"));
  EXPECT_THAT(RefusalOf({{"a", static_cast<WeightType>(9), {3}}}),
              AllOf(HasSubstr("tensor 'a'"), HasSubstr("fp32, bf16 or fp16")));
  EXPECT_THAT(RefusalOf({{"a", WeightType::kBf16, {int64_t{1} << 40, int64_t{1} << 40}}}),
              AllOf(HasSubstr("tensor 'a'"), HasSubstr("too large")));
  EXPECT_THAT(
      RefusalOf({{"a", WeightType::kBf16, {int64_t{1} << 43}}, {"b", WeightType::kBf16, {1}}}),
      HasSubstr("with tensor 'b'"));
  EXPECT_THAT(RefusalOf({{"a", WeightType::kBf16, std::vector<int64_t>(17, 1)}}),
              HasSubstr("17 dimensions"));
  EXPECT_THAT(RefusalOf({{std::string(513, 'x'), WeightType::kBf16, {1}}}), HasSubstr("513 bytes"));
}

TEST(WeightLayout, AnyDifferenceMakesAnotherFingerprint) {
  const uint64_t ours = WeightLayout::Create(Model())->fingerprint();
  EXPECT_EQ(ours, WeightLayout::Create(Model())->fingerprint());
  for (size_t tensor = 0; tensor < 3; ++tensor) {
    std::vector<WeightSpec> renamed = Model();
    renamed[tensor].name += "x";
    EXPECT_NE(WeightLayout::Create(renamed)->fingerprint(), ours);
    std::vector<WeightSpec> reshaped = Model();
    reshaped[tensor].shape.push_back(1);
    EXPECT_NE(WeightLayout::Create(reshaped)->fingerprint(), ours);
  }
  std::vector<WeightSpec> retyped = Model();
  retyped[0].type = WeightType::kFp16;
  EXPECT_NE(WeightLayout::Create(retyped)->fingerprint(), ours);
}

TEST(CheckSameWeights, ASameModelIsAccepted) {
  const auto ours = WeightLayout::Create(Model());
  EXPECT_TRUE(CheckSameWeights(*ours, "this subscriber", Model(), "the publisher").ok());
}

TEST(CheckSameWeights, AWrongTypeNamesTheTensorAndBothTypes) {
  std::vector<WeightSpec> theirs = Model();
  theirs[1].type = WeightType::kBf16;
  EXPECT_EQ(
      DifferenceOf(theirs),
      "tensor 'norm' (fp32 [4]) of this subscriber is bf16 [4] at the publisher; give both the "
      "same types and shapes");
}

TEST(CheckSameWeights, AWrongShapeOrderOrNumberNamesTheTensor) {
  std::vector<WeightSpec> theirs = Model();
  theirs[0].shape = {4, 10};
  EXPECT_THAT(DifferenceOf(theirs), HasSubstr("tensor 'embed' (bf16 [10, 4])"));
  theirs = Model();
  std::swap(theirs[1], theirs[2]);
  EXPECT_THAT(DifferenceOf(theirs), AllOf(HasSubstr("tensor number 1"), HasSubstr("'scale'")));
  theirs = Model();
  theirs.pop_back();
  EXPECT_EQ(
      DifferenceOf(theirs),
      "tensor 'scale' (fp16 []) is at this subscriber and not at the publisher; give both the "
      "same tensors");
  theirs = Model();
  theirs.push_back({"extra", WeightType::kBf16, {1}});
  EXPECT_THAT(DifferenceOf(theirs), HasSubstr("tensor 'extra' (bf16 [1]) is at the publisher"));
}

TEST(CheckSameWeights, APeersNameIsPrintedAsOneLine) {
  std::vector<WeightSpec> theirs = Model();
  theirs[0].name = "a\nb";
  EXPECT_THAT(DifferenceOf(theirs), HasSubstr("'a?b'"));
}

TEST(WeightVersionId, SaysBothNumbers) {
  EXPECT_EQ((WeightVersionId{0xabc, 12}).ToString(), "version 12 of epoch 0000000000000abc");
  EXPECT_EQ(WeightVersionId{}.ToString(), "no version");
}

}  // namespace
}  // namespace tideway
