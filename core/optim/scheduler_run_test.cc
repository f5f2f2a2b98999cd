// Whole runs of the scheduler on a simulated clock.

#include "core/optim/scheduler.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::optim {
namespace {

using ::testing::HasSubstr;

constexpr double kStepSeconds[] = {0.58, 0.75, 1.51, 3.33};

absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

Scheduler Make(SchedulingOptions options = {}) {
  auto scheduler = Scheduler::Create(std::move(options));
  EXPECT_TRUE(scheduler.ok()) << scheduler.status();
  return *std::move(scheduler);
}

// A random world of workers that join, train, arrive, leave and crash.
class World {
 public:
  World(SchedulingOptions options, uint64_t seed)
      : random_(seed), options_(options), scheduler_(Make(std::move(options))) {}

  void Run(int events) {
    for (int i = 0; i < events && !::testing::Test::HasFatalFailure(); ++i) {
      NextEvent();
      Poll();
    }
  }

  Scheduler& scheduler() { return scheduler_; }
  int released() const { return released_; }

 private:
  struct Waiting {
    double since = 0;
    double deadline = 0;
  };

  double Uniform() { return std::uniform_real_distribution<double>()(random_); }

  // Moves time on to the next arrival or the scheduler's deadline, or throws in a join or a leave.
  void NextEvent() {
    const double dice = Uniform();
    if (dice < 0.05 || arrivals_.empty()) return Join(random_() % 12);
    if (dice < 0.08) return Leave(random_() % 12);
    auto first = arrivals_.begin();
    for (auto it = arrivals_.begin(); it != arrivals_.end(); ++it) {
      if (it->second < first->second) first = it;
    }
    const absl::Time deadline = scheduler_.NextDeadline();
    if (deadline < At(first->second)) {
      now_ = std::max(now_, absl::ToDoubleSeconds(deadline - At(0)));
      return;
    }
    now_ = std::max(now_, first->second);
    Arrive(first->first);
  }

  void Join(uint64_t worker) {
    Forget(worker);
    ASSERT_TRUE(scheduler_.Join(worker, At(now_)).ok());
    speeds_.try_emplace(worker, 0.2 + 5 * Uniform());
    ready_.insert(worker);
  }

  void Leave(uint64_t worker) {
    Forget(worker);
    scheduler_.Leave(worker, At(now_));
  }

  void Forget(uint64_t worker) {
    ready_.erase(worker);
    waiting_.erase(worker);
    arrivals_.erase(worker);
  }

  void Arrive(uint64_t worker) {
    const Assignment* assignment = scheduler_.assignment(worker);
    ASSERT_NE(assignment, nullptr);
    const double busy = now_ - released_at_[worker];
    cycle_max_ = std::max(cycle_max_, busy);
    ASSERT_TRUE(scheduler_.Arrive(worker, {assignment->inner_steps, busy}, At(now_)).ok());
    arrivals_.erase(worker);
    waiting_[worker] = {now_, now_ + options_.grace_fraction_max * cycle_max_};
  }

  void Poll() {
    for (const Release& release : scheduler_.Poll(At(now_))) {
      const uint64_t worker = release.worker;
      ASSERT_EQ(ready_.erase(worker) + waiting_.erase(worker), 1u) << "released, but not waiting";
      ++released_;
      if (release.assignment.finished) continue;
      ASSERT_GE(release.assignment.inner_steps, 1u);
      ASSERT_LE(release.assignment.inner_steps, options_.inner_steps);
      released_at_[worker] = now_;
      arrivals_[worker] =
          now_ + release.assignment.inner_steps / speeds_[worker] * (0.9 + 0.2 * Uniform());
    }
    ASSERT_TRUE(ready_.empty()) << "a newcomer was made to wait";
    ASSERT_EQ(scheduler_.stats().waiting, waiting_.size());
    ASSERT_EQ(scheduler_.active_workers(), waiting_.size() + arrivals_.size());
    for (const auto& [worker, wait] : waiting_) {
      ASSERT_LE(now_, wait.deadline + 1e-6) << "worker " << worker << " waits beyond the cap";
    }
  }

  std::mt19937_64 random_;
  SchedulingOptions options_;
  Scheduler scheduler_;
  double now_ = 0;
  double cycle_max_ = 0;
  int released_ = 0;
  std::map<uint64_t, double> speeds_, released_at_;
  std::set<uint64_t> ready_;
  std::map<uint64_t, double> arrivals_;  // of those that train
  std::map<uint64_t, Waiting> waiting_;
};

TEST(Scheduler, ForgetsNobodyAndReleasesEveryArrivalOnceWithinTheCap) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    SchedulingOptions options;
    options.inner_steps = 1 + static_cast<uint32_t>(seed * 7 % 60);
    options.dylu = seed % 3 != 0;
    options.grace = seed % 5 != 0;
    options.shard_sizes.assign(1 + seed % 7, 10);
    options.seed = seed;
    if (seed % 4 == 0) options.inner_steps_total = 20000;
    World world(options, seed);
    world.Run(1000);
    if (HasFatalFailure()) return;
    EXPECT_GT(world.released(), 300);
  }
}

struct Decision {
  double at;
  Release release;
};

// Everything that a scheduler decides for 4 workers that join at `now` and then keep their step times.
std::vector<Decision> Decisions(Scheduler& scheduler, double now, int releases_max) {
  std::vector<Decision> decisions;
  std::map<uint64_t, double> arrivals, released;
  for (uint64_t worker = 0; worker < 4; ++worker) {
    EXPECT_TRUE(scheduler.Join(worker, At(now)).ok());
  }
  for (int count = 0; count < releases_max;) {
    for (const Release& release : scheduler.Poll(At(now))) {
      const Assignment& a = release.assignment;
      decisions.push_back({now, release});
      released[release.worker] = now;
      if (!a.finished)
        arrivals[release.worker] = now + a.inner_steps * kStepSeconds[release.worker];
      ++count;
    }
    if (arrivals.empty()) break;
    const auto first = std::min_element(arrivals.begin(), arrivals.end(),
                                        [](auto& a, auto& b) { return a.second < b.second; });
    const absl::Time deadline = scheduler.NextDeadline();
    if (deadline < At(first->second)) {
      now = std::max(now, absl::ToDoubleSeconds(deadline - At(0)));
      continue;
    }
    now = first->second;
    const uint32_t steps = scheduler.assignment(first->first)->inner_steps;
    EXPECT_TRUE(
        scheduler.Arrive(first->first, {steps, now - released[first->first]}, At(now)).ok());
    arrivals.erase(first);
  }
  return decisions;
}

std::string Text(const std::vector<Decision>& decisions) {
  std::string text;
  for (const auto& [at, release] : decisions) {
    const Assignment& a = release.assignment;
    absl::StrAppend(&text, at, ": worker ", release.worker, " window ", a.window, " steps ",
                    a.inner_steps, " shard ", a.shard, " from ", a.shard_step, " progress ",
                    a.progress_begin, "\n");
  }
  return text;
}

TEST(Scheduler, DecidesTheSameAfterACheckpointIsRestored) {
  const SchedulingOptions options = {
      .inner_steps_total = 20000, .shard_sizes = {5, 3, 2, 7}, .seed = 3};
  Scheduler original = Make(options);
  Decisions(original, 0, 60);
  const SchedulerState state = original.State();
  Scheduler restored = Make(options);
  ASSERT_TRUE(restored.Restore(state).ok());
  for (uint64_t worker = 0; worker < 4; ++worker) original.Leave(worker, At(5000));
  const std::string after = Text(Decisions(original, 5000, 80));
  EXPECT_EQ(after, Text(Decisions(restored, 5000, 80)));
  EXPECT_THAT(after, HasSubstr("shard 3"));
  Scheduler other = Make({.inner_steps_total = 20000, .shard_sizes = {5, 3, 2, 7}, .seed = 4});
  EXPECT_NE(Text(Decisions(other, 5000, 80)), after);
}

TEST(Scheduler, BringsFourVeryUnequalWorkersIntoOneWindow) {
  Scheduler scheduler = Make();
  const std::vector<Decision> decisions = Decisions(scheduler, 0, 120);
  SCOPED_TRACE(Text(decisions));
  // The last releases come four at a time, with DyLU's steps, a cycle of the fastest (29 s) apart.
  ASSERT_GE(decisions.size(), 20u);
  const uint32_t steps[] = {50, 38, 19, 8};
  for (size_t i = decisions.size() - 16; i < decisions.size(); ++i) {
    const Assignment& assignment = decisions[i].release.assignment;
    EXPECT_EQ(assignment.inner_steps, steps[decisions[i].release.worker]);
    EXPECT_EQ(assignment.window, decisions[i - 4].release.assignment.window + 1);
    EXPECT_NEAR(decisions[i].at, decisions[i - 4].at + 29, 1e-6);
  }
}

}  // namespace
}  // namespace tideway::optim
