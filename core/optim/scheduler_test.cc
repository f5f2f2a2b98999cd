#include "core/optim/scheduler.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::optim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kStepSeconds[] = {0.58, 0.75, 1.51, 3.33};

absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

Scheduler Make(SchedulingOptions options = {}) {
  auto scheduler = Scheduler::Create(std::move(options));
  EXPECT_TRUE(scheduler.ok()) << scheduler.status();
  return *std::move(scheduler);
}

// A scheduler that knows workers 0, 1, ... with these step times, and has joined none.
Scheduler MakeKnowing(const SchedulingOptions& options, const std::vector<double>& step_seconds) {
  Scheduler scheduler = Make(options);
  SchedulerState state = scheduler.State();
  for (size_t i = 0; i < step_seconds.size(); ++i) {
    state.paces.push_back({i, {1 / step_seconds[i], 0, options.inner_steps * step_seconds[0]}});
  }
  EXPECT_TRUE(scheduler.Restore(state).ok());
  return scheduler;
}

void JoinAll(Scheduler& scheduler, size_t workers, double now) {
  for (size_t i = 0; i < workers; ++i) ASSERT_TRUE(scheduler.Join(i, At(now)).ok());
}

std::vector<uint64_t> Workers(const std::vector<Release>& releases) {
  std::vector<uint64_t> workers;
  for (const Release& release : releases) workers.push_back(release.worker);
  return workers;
}

std::vector<uint32_t> Steps(const std::vector<Release>& releases) {
  std::vector<uint32_t> steps;
  for (const Release& release : releases) steps.push_back(release.assignment.inner_steps);
  return steps;
}

// Arrives with all steps of the assignment; busy since its release.
void Arrive(Scheduler& scheduler, uint64_t worker, double released, double now) {
  const Assignment* assignment = scheduler.assignment(worker);
  ASSERT_NE(assignment, nullptr);
  ASSERT_TRUE(scheduler.Arrive(worker, {assignment->inner_steps, now - released}, At(now)).ok());
}

TEST(Scheduler, GivesStepsByDyluWhenSpeedsAreKnown) {
  Scheduler scheduler =
      MakeKnowing({.inner_steps = 50}, {std::begin(kStepSeconds), std::end(kStepSeconds)});
  JoinAll(scheduler, 4, 0);
  EXPECT_THAT(Steps(scheduler.Poll(At(0))), ElementsAre(50, 38, 19, 8));
}

TEST(Scheduler, GivesEveryoneHWithoutDyluAndInTheSynchronousMethod) {
  for (const SchedulingOptions& options :
       {SchedulingOptions{.dylu = false},
        SchedulingOptions{.method = SchedulingOptions::Method::kSync}}) {
    Scheduler scheduler = MakeKnowing(options, {std::begin(kStepSeconds), std::end(kStepSeconds)});
    JoinAll(scheduler, 4, 0);
    EXPECT_THAT(Steps(scheduler.Poll(At(0))), ElementsAre(50, 50, 50, 50));
  }
}

TEST(Scheduler, CountsAnUnknownSpeedAsTheFastest) {
  Scheduler scheduler = MakeKnowing({.inner_steps = 40}, {1.0, 2.0});
  JoinAll(scheduler, 3, 0);
  EXPECT_THAT(Steps(scheduler.Poll(At(0))), ElementsAre(40, 20, 40));
}

TEST(Scheduler, HoldsTheFirstAssignmentsUntilEnoughWorkersJoined) {
  Scheduler scheduler = Make({.workers_to_begin = 3});
  JoinAll(scheduler, 2, 0);
  EXPECT_THAT(scheduler.Poll(At(0)), IsEmpty());
  EXPECT_EQ(scheduler.NextDeadline(), absl::InfiniteFuture());
  ASSERT_TRUE(scheduler.Join(2, At(5)).ok());
  EXPECT_EQ(scheduler.NextDeadline(), absl::InfinitePast());
  EXPECT_THAT(Workers(scheduler.Poll(At(5))), ElementsAre(0, 1, 2));
  scheduler.Leave(0, At(6));
  scheduler.Leave(1, At(6));
  ASSERT_TRUE(scheduler.Join(0, At(7)).ok());  // begun: no more waiting
  EXPECT_THAT(Workers(scheduler.Poll(At(7))), ElementsAre(0));
}

TEST(Scheduler, ClosesTheFirstWindowAtTheCapOfTheFirstArrivalsOwnCycle) {
  Scheduler scheduler = Make();
  JoinAll(scheduler, 4, 0);
  ASSERT_EQ(scheduler.Poll(At(0)).size(), 4u);
  Arrive(scheduler, 0, 0, 20);
  EXPECT_THAT(scheduler.Poll(At(20)), IsEmpty());
  EXPECT_EQ(scheduler.NextDeadline(), At(27));  // 20 + 35 % of 20
  Arrive(scheduler, 1, 0, 26.9);
  EXPECT_THAT(scheduler.Poll(At(26.9)), IsEmpty());
  const std::vector<Release> releases = scheduler.Poll(At(27));
  EXPECT_THAT(Workers(releases), ElementsAre(0, 1));
  for (const Release& release : releases) EXPECT_EQ(release.assignment.window, 1u);
  EXPECT_EQ(scheduler.NextDeadline(), absl::InfiniteFuture());
  EXPECT_EQ(scheduler.stats().window_length, absl::Seconds(7));
}

TEST(Scheduler, ClosesTheWindowEarlyOnceEveryActiveWorkerHasArrived) {
  Scheduler scheduler = Make();
  JoinAll(scheduler, 3, 0);
  scheduler.Poll(At(0));
  Arrive(scheduler, 2, 0, 20);
  Arrive(scheduler, 0, 0, 21);
  EXPECT_THAT(scheduler.Poll(At(21)), IsEmpty());
  Arrive(scheduler, 1, 0, 22);
  EXPECT_EQ(scheduler.NextDeadline(), absl::InfinitePast());
  EXPECT_THAT(Workers(scheduler.Poll(At(22))), ElementsAre(2, 0, 1));
}

TEST(Scheduler, TakesTheWindowFromTheSpreadOnceThatIsObserved) {
  Scheduler scheduler = MakeKnowing({.inner_steps = 50}, {2, 2});  // cycle 100
  JoinAll(scheduler, 2, 0);
  scheduler.Poll(At(0));
  Arrive(scheduler, 0, 0, 100);
  EXPECT_EQ(scheduler.NextDeadline(), At(135));
  Arrive(scheduler, 1, 0, 108);
  ASSERT_EQ(scheduler.Poll(At(108)).size(), 2u);
  EXPECT_EQ(scheduler.stats().spread, absl::Seconds(7.2));  // 8, faded once
  Arrive(scheduler, 1, 108, 208);
  EXPECT_NEAR(absl::ToDoubleSeconds(scheduler.NextDeadline() - At(208)), 2 * 7.2, 1e-6);
}

TEST(Scheduler, WithoutGraceReleasesAtOnce) {
  Scheduler scheduler = Make({.grace = false});
  JoinAll(scheduler, 2, 0);
  scheduler.Poll(At(0));
  Arrive(scheduler, 1, 0, 20);
  EXPECT_THAT(Workers(scheduler.Poll(At(20))), ElementsAre(1));
  Arrive(scheduler, 0, 0, 21);
  const std::vector<Release> releases = scheduler.Poll(At(21));
  ASSERT_THAT(Workers(releases), ElementsAre(0));
  EXPECT_EQ(releases[0].assignment.window, 2u);
}

TEST(Scheduler, InTheSynchronousMethodWaitsForAllOrTheTimeOut) {
  Scheduler scheduler =
      Make({.method = SchedulingOptions::Method::kSync, .sync_timeout = absl::Seconds(1000)});
  JoinAll(scheduler, 3, 0);
  scheduler.Poll(At(0));
  Arrive(scheduler, 0, 0, 20);
  Arrive(scheduler, 1, 0, 40);
  EXPECT_THAT(scheduler.Poll(At(900)), IsEmpty());
  Arrive(scheduler, 2, 0, 900);
  ASSERT_EQ(scheduler.Poll(At(900)).size(), 3u);
  Arrive(scheduler, 0, 900, 920);
  EXPECT_EQ(scheduler.NextDeadline(), At(1920));
  EXPECT_THAT(Workers(scheduler.Poll(At(1920))), ElementsAre(0));
}

TEST(Scheduler, InTheSynchronousMethodNobodysShardDependsOnWhoCameFirst) {
  const auto shards = [](const std::vector<uint64_t>& order) {
    Scheduler scheduler = Make({.method = SchedulingOptions::Method::kSync,
                                .workers_to_begin = 3,
                                .shard_sizes = {1, 1, 1},
                                .seed = 7});
    std::map<uint64_t, std::vector<uint32_t>> taken;
    for (uint64_t worker : order) EXPECT_TRUE(scheduler.Join(worker, At(0)).ok());
    for (int round = 0; round < 8; ++round) {
      for (const Release& release : scheduler.Poll(At(round))) {
        taken[release.worker].push_back(release.assignment.shard);
      }
      for (uint64_t worker : order) Arrive(scheduler, worker, round, round + 1);
    }
    return taken;
  };
  EXPECT_EQ(shards({0, 1, 2}), shards({2, 0, 1}));
}

TEST(Scheduler, InTheSynchronousMethodClosesAtTheQuorum) {
  Scheduler scheduler = Make({.method = SchedulingOptions::Method::kSync, .sync_quorum = 2});
  JoinAll(scheduler, 3, 0);
  scheduler.Poll(At(0));
  Arrive(scheduler, 2, 0, 20);
  EXPECT_THAT(scheduler.Poll(At(20)), IsEmpty());
  Arrive(scheduler, 0, 0, 21);
  EXPECT_THAT(Workers(scheduler.Poll(At(21))), ElementsAre(0, 2));
}

TEST(Scheduler, ClosesAWindowThatWaitedForAWorkerWhichLeaves) {
  Scheduler scheduler = Make({.method = SchedulingOptions::Method::kSync});
  JoinAll(scheduler, 3, 0);
  scheduler.Poll(At(0));
  Arrive(scheduler, 0, 0, 20);
  Arrive(scheduler, 1, 0, 21);
  scheduler.Leave(2, At(30));
  EXPECT_EQ(scheduler.NextDeadline(), absl::InfinitePast());
  EXPECT_THAT(Workers(scheduler.Poll(At(30))), ElementsAre(0, 1));
}

TEST(Scheduler, ForgetsAWindowWhoseOnlyArrivalLeaves) {
  Scheduler scheduler = Make();
  JoinAll(scheduler, 2, 0);
  scheduler.Poll(At(0));
  Arrive(scheduler, 0, 0, 20);
  scheduler.Leave(0, At(21));
  EXPECT_EQ(scheduler.NextDeadline(), absl::InfiniteFuture());
  EXPECT_THAT(scheduler.Poll(At(60)), IsEmpty());
  Arrive(scheduler, 1, 0, 70);
  EXPECT_THAT(Workers(scheduler.Poll(At(70))), ElementsAre(1));
  EXPECT_EQ(scheduler.stats().window, 1u);
}

TEST(Scheduler, FreesTheStepsAndTheShardOfAWorkerThatLeaves) {
  Scheduler scheduler = Make({.inner_steps = 10, .inner_steps_total = 40, .shard_sizes = {1, 1}});
  JoinAll(scheduler, 2, 0);
  const std::vector<Release> first = scheduler.Poll(At(0));
  ASSERT_EQ(first.size(), 2u);
  EXPECT_NE(first[0].assignment.shard, first[1].assignment.shard);
  EXPECT_EQ(scheduler.stats().steps_on_the_way, 20u);
  scheduler.Leave(0, At(1));
  EXPECT_EQ(scheduler.stats().steps_on_the_way, 10u);
  ASSERT_TRUE(scheduler.Join(7, At(2)).ok());
  const std::vector<Release> next = scheduler.Poll(At(2));
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].assignment.shard, first[0].assignment.shard);
  EXPECT_EQ(next[0].assignment.shard_step, 0u);
}

TEST(Scheduler, StartsALateJoinerAtOnceInTheNewestWindow) {
  Scheduler scheduler = Make({.method = SchedulingOptions::Method::kSync});
  JoinAll(scheduler, 2, 0);
  scheduler.Poll(At(0));
  for (uint64_t worker : {0, 1}) Arrive(scheduler, worker, 0, 20);
  ASSERT_EQ(scheduler.Poll(At(20)).size(), 2u);
  Arrive(scheduler, 0, 20, 40);
  ASSERT_TRUE(scheduler.Join(2, At(41)).ok());
  const std::vector<Release> releases = scheduler.Poll(At(41));
  ASSERT_THAT(Workers(releases), ElementsAre(2));
  EXPECT_EQ(releases[0].assignment.window, 1u);
  EXPECT_EQ(releases[0].assignment.inner_steps, 50u);
  Arrive(scheduler, 1, 20, 42);
  EXPECT_THAT(scheduler.Poll(At(42)), IsEmpty()) << "the newcomer is active: it is waited for";
}

TEST(Scheduler, GivesALateJoinerTheStepsThatLetItMeetTheOthers) {
  Scheduler scheduler = MakeKnowing({.inner_steps = 50}, {1, 1, 2});  // cycle 50
  JoinAll(scheduler, 2, 0);
  ASSERT_EQ(scheduler.Poll(At(0)).size(), 2u);
  ASSERT_TRUE(scheduler.Join(2, At(20)).ok());
  EXPECT_THAT(Steps(scheduler.Poll(At(20))), ElementsAre(15));  // 30 s at 2 s
  for (uint64_t worker : {0, 1}) Arrive(scheduler, worker, 0, 50);
  Arrive(scheduler, 2, 20, 50);
  EXPECT_THAT(Steps(scheduler.Poll(At(50))), ElementsAre(50, 50, 25));
}

TEST(Scheduler, BringsWorkersOutOfPhaseTogether) {
  // One of three is released alone, half a cycle off.
  Scheduler scheduler = MakeKnowing({.inner_steps = 50}, {1, 1, 1});
  JoinAll(scheduler, 3, 0);
  ASSERT_EQ(scheduler.Poll(At(0)).size(), 3u);
  for (uint64_t worker : {0, 1}) Arrive(scheduler, worker, 0, 50);
  ASSERT_EQ(scheduler.Poll(scheduler.NextDeadline()).size(),
            2u);                // at 67.5; expected back at 117.5
  Arrive(scheduler, 2, 0, 75);  // late; opens a window of its own
  const absl::Time closes = scheduler.NextDeadline();
  const std::vector<Release> alone = scheduler.Poll(closes);
  ASSERT_THAT(Workers(alone), ElementsAre(2));
  // 2 is slower now: 0.7 + 0.3 * 50 / 75 = 0.9 steps per second.
  EXPECT_EQ(alone[0].assignment.inner_steps,
            static_cast<uint32_t>(absl::ToDoubleSeconds(At(117.5) - closes) * 0.9));
}

TEST(Scheduler, DoesNotCutTheManyShortForTheFew) {
  Scheduler scheduler = MakeKnowing({.inner_steps = 50}, {1, 1, 1});
  ASSERT_TRUE(scheduler.Join(0, At(0)).ok());
  ASSERT_EQ(scheduler.Poll(At(0)).size(), 1u);
  for (uint64_t worker : {1, 2}) ASSERT_TRUE(scheduler.Join(worker, At(20)).ok());
  EXPECT_THAT(Steps(scheduler.Poll(At(20))), ElementsAre(50, 50));
}

TEST(Scheduler, ClipsTheLastAssignmentsAndThenSaysFinished) {
  Scheduler scheduler = Make({.inner_steps = 50, .inner_steps_total = 120});
  JoinAll(scheduler, 4, 0);
  const std::vector<Release> releases = scheduler.Poll(At(0));
  EXPECT_THAT(Steps(releases), ElementsAre(50, 50, 20, 0));
  EXPECT_FALSE(releases[2].assignment.finished);
  EXPECT_TRUE(releases[3].assignment.finished);
  EXPECT_EQ(scheduler.active_workers(), 3u);  // who has finished is not waited for
  for (uint64_t worker : {0, 1}) Arrive(scheduler, worker, 0, 25);
  EXPECT_FALSE(scheduler.stats().finished);
  Arrive(scheduler, 2, 0, 26);
  EXPECT_TRUE(scheduler.stats().finished);
  EXPECT_EQ(scheduler.stats().steps_learned, 120u);
  for (const Release& release : scheduler.Poll(At(26))) {
    EXPECT_TRUE(release.assignment.finished);
    EXPECT_EQ(release.assignment.window, 1u);
  }
  EXPECT_EQ(scheduler.active_workers(), 0u);
}

TEST(Scheduler, GivesTheStepsOfALostWorkerToOthersBeforeItFinishes) {
  Scheduler scheduler = Make({.inner_steps = 50, .inner_steps_total = 100});
  JoinAll(scheduler, 2, 0);
  scheduler.Poll(At(0));
  Arrive(scheduler, 0, 0, 25);
  scheduler.Leave(1, At(26));
  const std::vector<Release> releases = scheduler.Poll(At(26));
  ASSERT_THAT(Steps(releases), ElementsAre(50));
  EXPECT_FALSE(releases[0].assignment.finished);
}

TEST(Scheduler, MovesTheScheduleWithTheShardNotWithTheWorker) {
  // 400 steps over shards of sizes 1 and 3: 100 and 300 steps.
  Scheduler scheduler = Make({.inner_steps = 20,
                              .dylu = false,
                              .inner_steps_total = 400,
                              .shard_sizes = {1, 3},
                              .seed = 5});
  JoinAll(scheduler, 2, 0);
  std::map<uint32_t, uint64_t> learned;
  double now = 0;
  std::vector<Release> releases = scheduler.Poll(At(now));
  while (!releases[0].assignment.finished) {
    std::map<uint32_t, uint64_t> taken = learned;
    for (const Release& release : releases) {
      const Assignment& assignment = release.assignment;
      const double steps_of_shard = assignment.shard == 0 ? 100 : 300;
      EXPECT_EQ(assignment.shard_step, taken[assignment.shard]);
      EXPECT_NEAR(assignment.progress_begin,
                  std::min(1.0, static_cast<double>(taken[assignment.shard]) / steps_of_shard),
                  1e-12);
      if (!assignment.finished) {
        EXPECT_NEAR(assignment.progress_per_step, 1 / steps_of_shard, 1e-12);
      }
      taken[assignment.shard] += assignment.inner_steps;
    }
    learned = taken;
    now += 10;
    for (const Release& release : releases) Arrive(scheduler, release.worker, now - 10, now);
    releases = scheduler.Poll(At(now));
    ASSERT_EQ(releases.size(), 2u);
  }
  EXPECT_EQ(learned[0] + learned[1], 400u);
  EXPECT_NEAR(static_cast<double>(learned[0]), 100, 20);
}

TEST(Scheduler, WithoutATargetHasNoScheduleProgressAndNoEnd) {
  Scheduler scheduler = Make({.shard_sizes = {1, 1}});
  JoinAll(scheduler, 1, 0);
  for (int cycle = 0; cycle < 100; ++cycle) {
    const std::vector<Release> releases = scheduler.Poll(At(cycle));
    ASSERT_EQ(Steps(releases), std::vector<uint32_t>{50});
    EXPECT_EQ(releases[0].assignment.progress_begin, 0);
    EXPECT_EQ(releases[0].assignment.progress_per_step, 0);
    Arrive(scheduler, 0, cycle, cycle + 1);
  }
}

TEST(Scheduler, CountsNoMoreStepsThanItAssigned) {
  Scheduler scheduler = Make({.inner_steps_total = 1000});
  JoinAll(scheduler, 1, 0);
  scheduler.Poll(At(0));
  ASSERT_TRUE(scheduler.Arrive(0, {UINT32_MAX, 20}, At(20)).ok());
  EXPECT_EQ(scheduler.stats().steps_learned, 50u);
  scheduler.Poll(At(20));
  ASSERT_TRUE(scheduler.Arrive(0, {30, 20}, At(40)).ok());
  EXPECT_EQ(scheduler.stats().steps_learned, 80u);
  EXPECT_EQ(scheduler.stats().steps_on_the_way, 0u);
}

TEST(Scheduler, RefusesArrivalsThatItDidNotAskFor) {
  Scheduler scheduler = Make();
  EXPECT_EQ(scheduler.Arrive(0, {50, 1}, At(0)).code(), absl::StatusCode::kNotFound);
  JoinAll(scheduler, 2, 0);
  EXPECT_EQ(scheduler.Arrive(0, {50, 1}, At(0)).code(), absl::StatusCode::kFailedPrecondition);
  scheduler.Poll(At(0));
  Arrive(scheduler, 0, 0, 20);
  EXPECT_EQ(scheduler.Arrive(0, {50, 1}, At(21)).code(), absl::StatusCode::kFailedPrecondition);
  scheduler.Leave(1, At(22));
  EXPECT_EQ(scheduler.Arrive(1, {50, 1}, At(22)).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(scheduler.stats().steps_learned, 50u);
  EXPECT_THAT(Workers(scheduler.Poll(At(22))), ElementsAre(0));
  scheduler.Leave(99, At(23));
}

TEST(Scheduler, TakesASecondJoinForANewIncarnation) {
  Scheduler scheduler = Make({.inner_steps_total = 1000});
  JoinAll(scheduler, 2, 0);
  scheduler.Poll(At(0));
  ASSERT_TRUE(scheduler.Join(0, At(5)).ok());
  EXPECT_EQ(scheduler.active_workers(), 2u);
  EXPECT_EQ(scheduler.stats().steps_on_the_way, 50u);
  EXPECT_THAT(Workers(scheduler.Poll(At(5))), ElementsAre(0));
}

TEST(Scheduler, RemembersThePaceOfAWorkerThatComesBackAndIsBounded) {
  Scheduler scheduler = MakeKnowing({.inner_steps = 40}, {1, 2});
  JoinAll(scheduler, 2, 0);
  scheduler.Poll(At(0));
  scheduler.Leave(1, At(1));
  EXPECT_EQ(scheduler.pace(1)->steps_per_second, 0.5);
  for (size_t i = 0; i < 3 * kSchedulerWorkersMax; ++i) {
    ASSERT_TRUE(scheduler.Join(100 + i, At(2)).ok());
    scheduler.Leave(100 + i, At(2));
  }
  EXPECT_EQ(scheduler.State().paces.size(), 2u);
  absl::Status status;
  for (size_t i = 0; status.ok(); ++i) {
    ASSERT_LE(i, kSchedulerWorkersMax);
    status = scheduler.Join(100 + i, At(3));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
}

TEST(Scheduler, RefusesOptionsThatCannotWorkAndNamesThem) {
  const std::pair<SchedulingOptions, std::string> rows[] = {
      {{.inner_steps = 0}, "inner_steps"},
      {{.inner_steps = UINT32_MAX}, "inner_steps"},
      {{.grace_fraction_min = -0.1}, "grace_fraction_min"},
      {{.grace_fraction_min = 0.5}, "grace_fraction_min"},
      {{.grace_spread_factor = std::nan("")}, "grace_spread_factor"},
      {{.grace_fraction_max = HUGE_VAL}, "grace_fraction_max"},
      {{.sync_timeout = absl::ZeroDuration()}, "sync_timeout"},
      {{.inner_steps_total = UINT64_MAX}, "inner_steps_total"},
      {{.shard_sizes = std::vector<uint64_t>(kShardsMax + 1, 1)}, "shard_sizes"},
  };
  for (const auto& [options, name] : rows) {
    const absl::Status status = Scheduler::Create(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat(name, " must be ")));
  }
}

TEST(Scheduler, RefusesACheckpointThatCannotBeItsOwn) {
  Scheduler scheduler = Make({.shard_sizes = {1, 1}});
  SchedulerState state = scheduler.State();
  state.learned = {1, 2, 3};
  EXPECT_EQ(scheduler.Restore(state).code(), absl::StatusCode::kFailedPrecondition);
  state.learned = {UINT64_MAX, 2};
  EXPECT_EQ(scheduler.Restore(state).code(), absl::StatusCode::kInvalidArgument);
  state.learned = {1, 2};
  state.paces = {{1, {std::nan(""), 0, 0}}};
  EXPECT_EQ(scheduler.Restore(state).code(), absl::StatusCode::kInvalidArgument);
  state.paces = {{1, {1, 0, 50}}};
  EXPECT_TRUE(scheduler.Restore(state).ok());
  EXPECT_EQ(scheduler.stats().steps_learned, 3u);
}

}  // namespace
}  // namespace tideway::optim
