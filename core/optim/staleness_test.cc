#include "core/optim/staleness.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::optim {
namespace {

using ::testing::HasSubstr;

StalenessPolicy Make(absl::string_view spec) {
  auto policy = StalenessPolicy::Create(spec);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *policy;
}

TEST(StalenessPolicy, AcceptTakesEveryPushAsItIs) {
  for (const uint64_t staleness : {uint64_t{0}, uint64_t{1}, uint64_t{1000000}, UINT64_MAX}) {
    EXPECT_TRUE(Make("accept").Judge(staleness).accept);
    EXPECT_EQ(Make("accept").Judge(staleness).weight, 1.0f);
  }
}

TEST(StalenessPolicy, WeightFallsAsThePowerSays) {
  const StalenessPolicy root = Make("weight:power=0.5");
  EXPECT_EQ(root.Judge(0).weight, 1.0f);
  EXPECT_FLOAT_EQ(root.Judge(3).weight, 0.5f);
  EXPECT_FLOAT_EQ(root.Judge(99).weight, 0.1f);
  EXPECT_TRUE(root.Judge(99).accept);
  EXPECT_FLOAT_EQ(Make("weight:power=1").Judge(3).weight, 0.25f);
  EXPECT_EQ(Make("weight:power=0").Judge(3).weight, 1.0f);
  const float least = Make("weight:power=10").Judge(UINT64_MAX).weight;
  EXPECT_TRUE(least >= 0.0f && least < 1e-30f) << least;
}

TEST(StalenessPolicy, BoundRejectsWhatIsOverItAndOnlyThat) {
  const StalenessPolicy bound = Make("bound:max=10");
  EXPECT_TRUE(bound.Judge(10).accept);
  EXPECT_EQ(bound.Judge(10).weight, 1.0f);
  EXPECT_FALSE(bound.Judge(11).accept);
  EXPECT_FALSE(bound.Judge(UINT64_MAX).accept);
  EXPECT_TRUE(Make("bound:max=0").Judge(0).accept);
  EXPECT_FALSE(Make("bound:max=0").Judge(1).accept);
}

TEST(StalenessPolicy, HasDefaultsAndACanonicalSpec) {
  EXPECT_EQ(Make("accept").spec(), "accept");
  EXPECT_EQ(Make("weight").spec(), "weight:power=0.5");
  EXPECT_EQ(Make("bound").spec(), "bound:max=10");
}

TEST(StalenessPolicy, RefusesSpecsWithAClearSentence) {
  EXPECT_THAT(std::string(StalenessPolicy::Create("drop").status().message()),
              HasSubstr("accept, weight:power=0.5, bound:max=10"));
  for (const char* spec : {"", "drop", "accept:max=1", "weight:power=-1", "weight:power=x",
                           "bound:max=-1", "bound:max=1.5", "bound:power=1"}) {
    EXPECT_EQ(StalenessPolicy::Create(spec).status().code(), absl::StatusCode::kInvalidArgument)
        << spec;
  }
}

}  // namespace
}  // namespace tideway::optim
