#include "tideway/outer_optimizer.h"

#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr size_t kSize = 37;

std::unique_ptr<OuterOptimizer> Make(absl::string_view spec) {
  auto optimizer = BuiltinOuterOptimizers().Create(spec);
  EXPECT_TRUE(optimizer.ok()) << optimizer.status();
  return *std::move(optimizer);
}

std::string ErrorOf(absl::string_view spec) {
  return std::string(BuiltinOuterOptimizers().Create(spec).status().message());
}

std::vector<float> RandomVector(std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(kSize);
  for (float& value : values) value = normal(random);
  return values;
}

// SGD with Nesterov momentum in double precision.
struct Reference {
  double lr, beta;
  std::vector<double> theta, m = std::vector<double>(kSize, 0.0);

  void Step(const std::vector<double>& g) {
    for (size_t i = 0; i < kSize; ++i) {
      m[i] = beta * m[i] + g[i];
      theta[i] -= lr * (g[i] + beta * m[i]);
    }
  }
};

// An optimizer with its theta and state.
struct Subject {
  explicit Subject(absl::string_view spec, const std::vector<float>& initial)
      : optimizer(Make(spec)), theta(initial), state(optimizer->NewState(initial.size())) {}

  ApplyResult Push(const std::vector<float>& delta, const ApplyContext& context = {}) {
    return *optimizer->Apply(absl::MakeSpan(theta), delta, context, state);
  }

  std::unique_ptr<OuterOptimizer> optimizer;
  std::vector<float> theta;
  OuterState state;
};

void ExpectNear(const std::vector<float>& actual, const std::vector<double>& expected,
                double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) ASSERT_NEAR(actual[i], expected[i], tolerance) << i;
}

std::vector<double> Mean(const std::vector<std::vector<float>>& deltas) {
  std::vector<double> mean(kSize, 0.0);
  for (const auto& delta : deltas) {
    for (size_t i = 0; i < kSize; ++i) mean[i] += delta[i] / static_cast<double>(deltas.size());
  }
  return mean;
}

TEST(Sgd, SubtractsTheDeltaTimesRateAndWeight) {
  Subject sgd("sgd:lr=0.5", {1.0f, 2.0f});
  EXPECT_EQ(sgd.Push({4.0f, -2.0f}), ApplyResult::kApplied);
  EXPECT_EQ(sgd.theta, (std::vector<float>{-1.0f, 3.0f}));
  sgd.Push({4.0f, 4.0f}, {.weight = 0.25f});
  EXPECT_EQ(sgd.theta, (std::vector<float>{-1.5f, 2.5f}));
}

TEST(Sgd, AtRateOneSumsIntegersExactly) {
  Subject sgd("sgd", std::vector<float>(kSize, 0.0f));
  std::vector<float> delta(kSize), sum(kSize, 0.0f);
  std::mt19937 random(1);
  for (int push = 0; push < 4000; ++push) {
    for (size_t i = 0; i < kSize; ++i) {
      delta[i] = static_cast<float>(static_cast<int>(random() % 2001) - 1000);
      sum[i] -= delta[i];
    }
    sgd.Push(delta);
  }
  EXPECT_EQ(sgd.theta, sum);
}

TEST(Nesterov, FollowsTheDoublePrecisionReference) {
  std::mt19937 random(2);
  const std::vector<float> initial = RandomVector(random);
  Subject nesterov("nesterov:lr=0.7,momentum=0.9", initial);
  Reference reference{0.7, 0.9, {initial.begin(), initial.end()}};
  for (int push = 0; push < 20; ++push) {
    const std::vector<float> delta = RandomVector(random);
    EXPECT_EQ(nesterov.Push(delta), ApplyResult::kApplied);
    reference.Step({delta.begin(), delta.end()});
  }
  ExpectNear(nesterov.theta, reference.theta, 1e-4);
}

TEST(Nesterov, WithABufferStandsStillThenStepsOnTheMean) {
  for (const int n : {2, 3, 8}) {
    SCOPED_TRACE(absl::StrCat("buffer ", n));
    std::mt19937 random(3);
    const std::vector<float> initial = RandomVector(random);
    Subject buffer(absl::StrCat("nesterov:lr=0.7,momentum=0.9,buffer=", n), initial);
    Reference reference{0.7, 0.9, {initial.begin(), initial.end()}};
    for (int window = 0; window < 5; ++window) {
      const std::vector<float> before = buffer.theta;
      std::vector<std::vector<float>> deltas;
      for (int push = 1; push <= n; ++push) {
        deltas.push_back(RandomVector(random));
        EXPECT_EQ(buffer.Push(deltas.back()),
                  push < n ? ApplyResult::kBuffered : ApplyResult::kApplied);
        EXPECT_EQ(buffer.theta == before, push < n);
      }
      reference.Step(Mean(deltas));
      ExpectNear(buffer.theta, reference.theta, 1e-4);
    }
  }
}

TEST(DelayedNesterov, WithCZeroMakesNPushesOneNesterovStepOnTheirMean) {
  for (const int n : {1, 2, 4, 16}) {
    SCOPED_TRACE(absl::StrCat("n ", n));
    std::mt19937 random(4);
    const std::vector<float> initial = RandomVector(random);
    Subject dn(absl::StrCat("delayed-nesterov:lr=0.7,momentum=0.9,n=", n), initial);
    Reference reference{0.7, 0.9, {initial.begin(), initial.end()}};
    for (int window = 0; window < 5; ++window) {
      std::vector<std::vector<float>> deltas;
      for (int push = 0; push < n; ++push) {
        deltas.push_back(RandomVector(random));
        const std::vector<float> before = dn.theta;
        EXPECT_EQ(dn.Push(deltas.back()), ApplyResult::kApplied);
        EXPECT_NE(dn.theta, before);
      }
      reference.Step(Mean(deltas));
      ExpectNear(dn.theta, reference.theta, 1e-4);
    }
  }
}

TEST(DelayedNesterov, WithNOneIsPlainNesterovForEveryC) {
  for (const char* c : {"0", "0.5", "1"}) {
    std::mt19937 random(5);
    const std::vector<float> initial = RandomVector(random);
    Subject dn(absl::StrCat("delayed-nesterov:lr=0.7,momentum=0.9,n=1,c=", c), initial);
    Subject nesterov("nesterov:lr=0.7,momentum=0.9", initial);
    for (int push = 0; push < 20; ++push) {
      const std::vector<float> delta = RandomVector(random);
      dn.Push(delta);
      nesterov.Push(delta);
      ExpectNear(dn.theta, {nesterov.theta.begin(), nesterov.theta.end()}, 1e-5);
    }
  }
}

TEST(DelayedNesterov, GivesMomentumCoefficientsThatSumToBetaOverAWindow) {
  const double lr = 0.7, beta = 0.9;
  for (const int n : {1, 2, 4, 7}) {
    for (const double part : {0.0, 0.3, 1.0}) {
      const double c = part / n;
      SCOPED_TRACE(absl::StrCat("n ", n, " c ", c));
      Subject dn(absl::StrCat("delayed-nesterov:lr=0.7,momentum=0.9,n=", n, ",c=", c), {0.0f});
      for (int push = 0; push < n; ++push) dn.Push({1.0f});  // a window that fills the momentum
      double coefficients = 0;
      for (int push = 0; push < n; ++push) {
        const double before = dn.theta[0];
        dn.Push({0.0f});
        coefficients += (before - dn.theta[0]) / (lr * dn.state.slots[0][0]);
      }
      EXPECT_NEAR(coefficients, beta, 2e-5);
    }
  }
}

TEST(DelayedNesterov, ReachesTheEndPointOfTheBufferAfterNPushes) {
  std::mt19937 random(6);
  const std::vector<float> initial = RandomVector(random);
  Subject dn("delayed-nesterov:lr=0.7,momentum=0.9,n=4", initial);
  Subject buffer("nesterov:lr=0.7,momentum=0.9,buffer=4", initial);
  for (int push = 1; push <= 40; ++push) {
    const std::vector<float> delta = RandomVector(random);
    dn.Push(delta);
    buffer.Push(delta);
    if (push % 4 == 0) ExpectNear(dn.theta, {buffer.theta.begin(), buffer.theta.end()}, 1e-4);
  }
}

TEST(Windows, LatchTheirLengthWhenTheyBegin) {
  for (const char* spec : {"delayed-nesterov:n=auto", "nesterov:buffer=auto"}) {
    SCOPED_TRACE(spec);
    std::mt19937 random(7);
    const std::vector<float> initial = RandomVector(random);
    Subject subject(spec, initial);
    Reference reference{0.7, 0.9, {initial.begin(), initial.end()}};
    const uint32_t active[] = {3, 5, 1, 2, 9};  // windows of 3, then 2
    std::vector<std::vector<float>> deltas;
    for (int push = 0; push < 5; ++push) {
      deltas.push_back(RandomVector(random));
      subject.Push(deltas.back(), {.active_workers = active[push]});
      EXPECT_EQ(subject.state.window, push < 3 ? 3u : 2u);
      if (push == 2 || push == 4) {
        EXPECT_EQ(subject.state.pushes, 0u);
        reference.Step(Mean(deltas));
        ExpectNear(subject.theta, reference.theta, 1e-4);
        deltas.clear();
      }
    }
  }
}

TEST(Windows, OfAutoCountOneWorkerWhereNoneIsActive) {
  Subject dn("delayed-nesterov", {0.0f});
  dn.Push({1.0f}, {.active_workers = 0});
  EXPECT_EQ(dn.state.window, 1u);
  EXPECT_NEAR(dn.theta[0], -0.7 * 1.9, 1e-6);
}

TEST(Windows, OfAutoNeverSpreadMoreMomentumThanThereIs) {
  // c=0.5 is over 1/N for N = 4: 1/N is used, so that the coefficients still sum to beta.
  Subject dn("delayed-nesterov:c=0.5", {0.0f});
  const ApplyContext four = {.active_workers = 4};
  for (int push = 0; push < 4; ++push) dn.Push({1.0f}, four);
  double coefficients = 0;
  for (int push = 0; push < 4; ++push) {
    const double before = dn.theta[0];
    dn.Push({0.0f}, four);
    coefficients += (before - dn.theta[0]) / (0.7 * dn.state.slots[0][0]);
  }
  EXPECT_NEAR(coefficients, 0.9, 2e-5);
}

TEST(Windows, MultiplyEachDeltaByItsWeight) {
  for (const char* spec : {"delayed-nesterov:n=2", "nesterov:buffer=2", "nesterov"}) {
    SCOPED_TRACE(spec);
    Subject weighted(spec, {1.0f}), scaled(spec, {1.0f});
    for (const float weight : {0.5f, 0.25f, 1.0f, 0.125f}) {
      weighted.Push({8.0f}, {.weight = weight});
      scaled.Push({8.0f * weight});
      EXPECT_EQ(weighted.theta, scaled.theta);
    }
  }
}

TEST(Windows, GoOnFromACopiedStateWithTheSameBits) {
  for (const char* spec : {"sgd", "nesterov:buffer=3", "delayed-nesterov:n=3,c=0.1"}) {
    SCOPED_TRACE(spec);
    std::mt19937 random(8);
    Subject first(spec, RandomVector(random));
    for (int push = 0; push < 4; ++push) first.Push(RandomVector(random));
    Subject second(spec, first.theta);
    second.state = first.state;
    for (int push = 0; push < 7; ++push) {
      const std::vector<float> delta = RandomVector(random);
      first.Push(delta);
      second.Push(delta);
      EXPECT_EQ(first.theta, second.theta);
    }
  }
}

TEST(OuterOptimizers, NameTheirCanonicalSpec) {
  EXPECT_EQ(Make("sgd")->spec(), "sgd:lr=1");
  EXPECT_EQ(Make("nesterov:momentum=0.5")->spec(), "nesterov:buffer=1,lr=0.7,momentum=0.5");
  EXPECT_EQ(Make("nesterov:buffer=auto")->spec(), "nesterov:buffer=auto,lr=0.7,momentum=0.9");
  EXPECT_EQ(Make("delayed-nesterov")->spec(), "delayed-nesterov:c=0,lr=0.7,momentum=0.9,n=auto");
  EXPECT_EQ(Make("delayed-nesterov:n=4,lr=0.123456789")->spec(),
            "delayed-nesterov:c=0,lr=0.123456789,momentum=0.9,n=4");
  for (const char* spec : {"sgd:lr=0.1", "nesterov:buffer=7", "delayed-nesterov:n=4,c=0.25"}) {
    const std::string canonical = Make(spec)->spec();
    EXPECT_EQ(Make(canonical)->spec(), canonical);
  }
}

TEST(OuterOptimizers, RefuseSpecsWithAClearSentence) {
  EXPECT_THAT(ErrorOf("adamw:lr=1"),
              AllOf(HasSubstr("'adamw'"), HasSubstr("sgd, nesterov, delayed-nesterov")));
  EXPECT_EQ(BuiltinOuterOptimizers().Create("adamw").status().code(), absl::StatusCode::kNotFound);
  for (const char* spec :
       {"", ":lr=1", "sgd:lr=x", "sgd:lr=-1", "sgd:lr=nan", "sgd:rate=1", "nesterov:momentum=1",
        "nesterov:buffer=0", "nesterov:buffer=some", "delayed-nesterov:n=0",
        "delayed-nesterov:n=70000", "delayed-nesterov:n=2.5", "delayed-nesterov:c=-0.1",
        "delayed-nesterov:n=4,c=0.26", "delayed-nesterov:buffer=2", "sgd:lr=1,lr=2"}) {
    SCOPED_TRACE(spec);
    EXPECT_EQ(BuiltinOuterOptimizers().Create(spec).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(ErrorOf("nesterov:buffer=some"), HasSubstr("buffer=auto"));
  EXPECT_THAT(ErrorOf("delayed-nesterov:n=4,c=0.5"), HasSubstr("give c from 0 to 0.25"));
  EXPECT_THAT(ErrorOf("sgd:rate=1"), AllOf(HasSubstr("rate"), HasSubstr("lr")));
}

TEST(OuterOptimizerRegistry, TakesAnOptimizerOfTheEmbedderAndRefusesATakenName) {
  OuterOptimizerRegistry registry = BuiltinOuterOptimizers();
  const auto create = [](const Spec&) -> absl::StatusOr<std::unique_ptr<OuterOptimizer>> {
    return absl::UnavailableError("mine");
  };
  EXPECT_TRUE(registry.Add({"mine", create}).ok());
  EXPECT_EQ(registry.Create("mine").status().message(), "mine");
  EXPECT_EQ(registry.Add({"sgd", create}).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(registry.Add({"", create}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(registry.entries().size(), 4u);
}

}  // namespace
}  // namespace tideway
