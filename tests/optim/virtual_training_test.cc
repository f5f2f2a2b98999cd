#include "tests/optim/virtual_training.h"

#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tideway::optim {
namespace {

using Method = SchedulingOptions::Method;

VirtualTraining Base(uint64_t seed) {
  VirtualTraining training;
  training.scheduling.inner_steps = 50;
  training.scheduling.inner_steps_total = 8000;
  training.scheduling.shard_sizes = {1, 1, 1, 1};
  training.scheduling.seed = seed;
  training.scheduling.sync_timeout = absl::Hours(1);
  training.step_seconds = {0.58, 0.75, 1.51, 3.33};
  training.jitter = 0.05;
  training.seed = seed;
  return training;
}

VirtualTraining Sync(uint64_t seed) {
  VirtualTraining training = Base(seed);
  training.scheduling.method = Method::kSync;
  training.outer_optimizer = "nesterov:lr=0.7,momentum=0.9,buffer=auto";
  return training;
}

VirtualTraining Naive(uint64_t seed) {
  VirtualTraining training = Base(seed);
  training.scheduling.dylu = false;
  training.scheduling.grace = false;
  training.outer_optimizer = "nesterov:lr=0.175,momentum=0.9";
  return training;
}

VirtualTraining Async(uint64_t seed) {
  VirtualTraining training = Base(seed);
  training.outer_optimizer = "delayed-nesterov:lr=0.7,momentum=0.9,c=0,n=auto";
  return training;
}

TEST(MixtureProblem, HasTheGradientOfItsLoss) {
  const MixtureProblem problem(2, 1);
  std::vector<float> theta = problem.Initial(), gradient, unused;
  problem.Gradient(theta, 1, 7, gradient);
  for (size_t i = 0; i < theta.size(); i += 11) {
    const float kept = theta[i];
    theta[i] = kept + 1e-2f;
    const double above = problem.Gradient(theta, 1, 7, unused);
    theta[i] = kept - 1e-2f;
    const double below = problem.Gradient(theta, 1, 7, unused);
    theta[i] = kept;
    EXPECT_NEAR((above - below) / 2e-2, gradient[i], 1e-3) << "parameter " << i;
  }
}

TEST(VirtualTraining, InOneGraceWindowWithEqualSpeedsEqualsSynchronousDiLoCo) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const MixtureProblem problem(4, seed);
    VirtualTraining sync = Sync(seed), async = Async(seed);
    for (VirtualTraining* training : {&sync, &async}) {
      training->step_seconds = {1, 1, 1, 1};
      training->scheduling.inner_steps_total = 2000;  // ten windows
      training->jitter = 0;
    }
    async.outer_optimizer = "delayed-nesterov:lr=0.7,momentum=0.9,n=4";
    sync.outer_optimizer = "nesterov:lr=0.7,momentum=0.9,buffer=4";
    const VirtualResult a = Train(problem, async), s = Train(problem, sync);
    EXPECT_EQ(a.seconds, s.seconds);
    EXPECT_LT(s.loss, problem.Loss(problem.Initial()) - 0.3);
    for (size_t i = 0; i < s.theta.size(); ++i) ASSERT_NEAR(a.theta[i], s.theta[i], 1e-3) << i;
    EXPECT_NEAR(a.loss, s.loss, 1e-4);
  }
}

// The mean over seeds, and of the virtual time.
struct Mean {
  double loss = 0, seconds = 0;
};

Mean MeanOf(VirtualTraining (*make)(uint64_t seed), uint64_t steps_total, const char* name) {
  constexpr uint64_t kSeeds = 3;
  Mean mean;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    VirtualTraining training = make(seed);
    training.scheduling.inner_steps_total = steps_total;
    const VirtualResult result = Train(MixtureProblem(4, seed), training);
    mean.loss += result.loss / kSeeds;
    mean.seconds += result.seconds / kSeeds;
  }
  std::printf("%-30s %6d updates: loss %.4f in %.0f virtual s\n", name,
              static_cast<int>(steps_total), mean.loss, mean.seconds);
  return mean;
}

// Measured over 10 seeds: sync 0.166 in 6,639 s; async 0.180 in 2,088 s, and with half as many updates again 0.151 in 3,122 s;
// naive 0.326 in 2,026 s. At equal updates this small and very unequal problem leaves async a little behind, since DyLU's
// slow workers weigh as much as the fast ones; in equal time it is far ahead.
TEST(VirtualTraining, WithVeryUnequalWorkersReachesTheSynchronousLossInHalfTheTime) {
  const Mean sync = MeanOf(Sync, 8000, "synchronous DiLoCo");
  const Mean async = MeanOf(Async, 8000, "delayed Nesterov, DyLU, grace");
  const Mean longer = MeanOf(Async, 12000, "delayed Nesterov, DyLU, grace");
  const Mean naive = MeanOf(Naive, 8000, "naive asynchronous Nesterov");
  EXPECT_LE(longer.loss, sync.loss);
  EXPECT_LE(longer.seconds, 0.6 * sync.seconds);
  EXPECT_LE(async.seconds, 0.35 * sync.seconds);
  EXPECT_LE(async.loss, sync.loss + 0.03);
  EXPECT_GE(naive.loss, async.loss + 0.05) << "the problem must show what the methods mend";
}

}  // namespace
}  // namespace tideway::optim
