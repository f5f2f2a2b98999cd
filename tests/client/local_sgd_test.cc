// LocalSgd against a real server. Inner "training" subtracts whole numbers, so that every sum is exact.

#include "tideway/local_sgd.h"

#include <barrier>
#include <cmath>
#include <limits>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"

namespace tideway {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::tideway::testing::Cluster;
using ::tideway::testing::NewRuntime;

// A model of two tensors, and a worker that trains it.
struct Trainer {
  std::vector<float> matrix = std::vector<float>(6, 50.0f);
  std::vector<float> bias = std::vector<float>(2, 50.0f);

  std::vector<ParameterView> views() {
    return {{"matrix", {2, 3}, matrix.data()}, {"bias", {2}, bias.data()}};
  }
  static std::vector<TensorSpec> tensors() { return {{"matrix", {2, 3}}, {"bias", {2}}}; }

  void Step(float by = 1.0f) {
    for (float& value : matrix) value -= by;
    for (float& value : bias) value -= by;
  }
  std::vector<float> all() const {
    std::vector<float> flat = matrix;
    flat.insert(flat.end(), bias.begin(), bias.end());
    return flat;
  }
};

constexpr size_t kFragmentBytes = 16;

Layout TwoTensors(uint32_t servers = 1) {
  return *Layout::Create(Trainer::tensors(),
                         {.fragment_bytes_max = kFragmentBytes, .servers = servers});
}

ServerOptions PlainSgd(uint32_t inner_steps, uint64_t total = 0) {
  ServerOptions options;
  options.outer_optimizer = "sgd:lr=1";
  options.scheduling.inner_steps = inner_steps;
  options.scheduling.inner_steps_total = total;
  options.scheduling.dylu = false;
  return options;
}

class LocalSgdTest : public ::testing::Test {
 protected:
  void Serve(ServerOptions options, uint32_t servers = 1) {
    cluster = std::make_unique<Cluster>(TwoTensors(servers), std::move(options),
                                        std::vector<float>(8, 10.0f));
  }

  std::unique_ptr<LocalSgd> Join(Trainer& trainer, LocalSgdOptions options = {}) {
    options.servers = cluster->uris;
    options.fragment_bytes_max = kFragmentBytes;
    auto joined = LocalSgd::Join(runtime.get(), std::move(options), trainer.views());
    EXPECT_TRUE(joined.ok()) << joined.status();
    return joined.ok() ? *std::move(joined) : nullptr;
  }

  std::unique_ptr<Cluster> cluster;
  std::unique_ptr<Runtime> runtime = NewRuntime({}, 1);
};

TEST_F(LocalSgdTest, JoinPutsTheServersValuesInPlaceAndBringsAnAssignment) {
  Serve(PlainSgd(5));
  Trainer trainer;
  auto sync = Join(trainer);
  EXPECT_THAT(trainer.all(), Each(10.0f));
  EXPECT_EQ(sync->assignment().inner_steps, 5u);
  EXPECT_FALSE(sync->finished());
}

TEST_F(LocalSgdTest, EveryHStepsTheServerLearnsWhatTheWorkerLearned) {
  Serve(PlainSgd(3), 2);
  Trainer trainer;
  auto sync = Join(trainer);
  for (int step = 1; step <= 9; ++step) {
    trainer.Step();
    auto event = sync->AfterInnerStep({.loss = 1, .tokens = 10});
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(event->pushed, step % 3 == 0);
    EXPECT_EQ(event->merged, step % 3 == 0);
    EXPECT_THAT(trainer.all(), Each(10.0f - static_cast<float>(step)));
    EXPECT_THAT(cluster->Parameters(), Each(10.0f - static_cast<float>(step / 3 * 3)));
  }
  EXPECT_EQ(sync->inner_steps(), 9u);
}

TEST_F(LocalSgdTest, TheRunEndsWithTheServersFinalParameters) {
  Serve(PlainSgd(4, 20));
  Trainer trainer;
  auto sync = Join(trainer);
  int steps = 0;
  double progress = -1;
  while (!sync->finished()) {
    ASSERT_LT(steps, 100);
    EXPECT_GT(sync->schedule_progress(), progress) << "the schedule goes forward with every step";
    EXPECT_LE(sync->schedule_progress(), 1.0);
    EXPECT_EQ(sync->shard_step(), static_cast<uint64_t>(steps));
    progress = sync->schedule_progress();
    trainer.Step();
    ++steps;
    ASSERT_TRUE(sync->AfterInnerStep({}).ok());
  }
  EXPECT_EQ(steps, 20);
  EXPECT_EQ(trainer.all(), cluster->Parameters());
  EXPECT_THAT(trainer.all(), Each(-10.0f));
  EXPECT_TRUE(absl::IsFailedPrecondition(sync->AfterInnerStep({}).status()));
  EXPECT_TRUE(sync->Leave().ok());
}

TEST_F(LocalSgdTest, OverlapWithRebaseLosesNoInnerStep) {
  for (uint32_t overlap : {1u, 3u, 10u}) {
    Serve(PlainSgd(
        4));  // a new one: who left before was in the middle of a push, which may count later
    Trainer trainer;
    auto sync = Join(trainer, {.overlap_steps = overlap});
    std::vector<float> expected = trainer.all();
    int merged = 0;
    for (int step = 1; step <= 60; ++step) {
      trainer.Step();
      auto event = sync->AfterInnerStep({});
      ASSERT_TRUE(event.ok()) << event.status();
      merged += event->merged ? 1 : 0;
      for (float& value : expected) value -= 1.0f;
      ASSERT_EQ(trainer.all(), expected) << "overlap " << overlap << ", step " << step;
    }
    EXPECT_GE(merged, 4) << "overlap " << overlap;
    EXPECT_TRUE(sync->Leave().ok());
  }
}

TEST_F(LocalSgdTest, OverlapWithAlphaMixesAsStreamingDiLoCoDoes) {
  Serve(PlainSgd(2));
  Trainer trainer;
  auto sync = Join(trainer, {.overlap_steps = 1, .merge = MergeRule::kAlpha, .alpha = 0.5});
  const auto step = [&](bool pushed, bool merged, float after) {
    trainer.Step();
    auto event = sync->AfterInnerStep({});
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(event->pushed, pushed);
    EXPECT_EQ(event->merged, merged);
    EXPECT_THAT(trainer.all(), Each(after));
  };
  step(false, false, 9.0f);
  step(true, false, 8.0f);  // delta 2: the server goes to 8
  step(false, true, 7.5f);  // half of 7 and half of 8
  step(true, false, 6.5f);  // delta 8 - 6.5: the server goes to 6.5
  step(false, true, 6.0f);  // half of 5.5 and half of 6.5
  EXPECT_THAT(cluster->Parameters(), Each(6.5f));
}

TEST_F(LocalSgdTest, StepsTakenDuringAnOverlappedExchangeCountForTheNextAssignment) {
  Serve(PlainSgd(4));
  Trainer trainer;
  auto sync = Join(trainer, {.overlap_steps = 1});
  std::vector<int> pushes;
  for (int step = 1; step <= 12; ++step) {
    trainer.Step();
    auto event = sync->AfterInnerStep({});
    ASSERT_TRUE(event.ok()) << event.status();
    if (event->pushed) pushes.push_back(step);
  }
  EXPECT_THAT(pushes, ElementsAre(4, 8, 12));
}

TEST_F(LocalSgdTest, ANaNIsNamedNothingIsPushedAndTheTrainerMayMendIt) {
  Serve(PlainSgd(2));
  Trainer trainer;
  auto sync = Join(trainer);
  trainer.Step();
  ASSERT_TRUE(sync->AfterInnerStep({}).ok());
  trainer.Step();
  const float good = trainer.bias[1];
  trainer.bias[1] = std::numeric_limits<float>::quiet_NaN();
  const absl::Status status = sync->AfterInnerStep({}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("tensor 'bias'"));
  EXPECT_THAT(cluster->Parameters(), Each(10.0f));
  trainer.bias[1] = good;
  trainer.Step();
  auto event = sync->AfterInnerStep({});
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_TRUE(event->pushed);
  EXPECT_THAT(cluster->Parameters(), Each(7.0f));
}

TEST_F(LocalSgdTest, RequestStopEndsTheWaiting) {
  ServerOptions options = PlainSgd(1);
  options.scheduling.method = SchedulingOptions::Method::kSync;
  options.scheduling.workers_to_begin = 2;
  Serve(std::move(options));
  Trainer trainer, idler;
  std::unique_ptr<LocalSgd> idle;
  std::thread other([&] { idle = Join(idler, {.worker = "idler"}); });
  auto sync = Join(trainer, {.worker = "waiter"});
  other.join();
  ASSERT_TRUE(sync != nullptr && idle != nullptr);
  // From here on the other one does nothing, and a synchronous window waits for it.
  trainer.Step();
  std::thread stopper([&] { sync->RequestStop(); });
  const absl::Status status = sync->AfterInnerStep({}).status();
  stopper.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_TRUE(absl::IsCancelled(sync->AfterInnerStep({}).status())) << "it can only be left now";
  EXPECT_TRUE(sync->Leave().ok());
}

TEST_F(LocalSgdTest, TheServersSeeTheWorkersOwnFigures) {
  Serve(PlainSgd(2));
  Trainer trainer;
  auto sync = Join(trainer, {.worker = "berta"});
  for (int step = 0; step < 4; ++step) {
    trainer.Step();
    ASSERT_TRUE(sync->AfterInnerStep({.loss = 3.0, .tokens = 100}).ok());
  }
  const auto workers = cluster->servers[0]->stats().workers;
  ASSERT_EQ(workers.size(), 1u);
  EXPECT_EQ(workers[0].name, "berta");
  EXPECT_EQ(workers[0].steps_finished, 4u);
  EXPECT_TRUE(sync->Leave().ok());
  EXPECT_FALSE(cluster->servers[0]->stats().workers[0].active);
}

TEST_F(LocalSgdTest, TwoWorkersFindTheMinimumTogether) {
  ServerOptions options;  // delayed Nesterov with its grace window and DyLU, as by default
  options.scheduling.inner_steps = 5;
  options.scheduling.inner_steps_total = 1000;
  options.scheduling.workers_to_begin = 2;
  Serve(std::move(options), 2);
  // Both step at one pace, however unevenly the host runs them: a worker that runs ahead would pull the result to its side.
  std::barrier pace(2);
  const auto work = [this, &pace](float target) {
    const absl::Cleanup drop = [&pace] { pace.arrive_and_drop(); };
    auto own = NewRuntime({}, 1);
    Trainer trainer;
    auto sync = LocalSgd::Join(own.get(),
                               {.servers = cluster->uris,
                                .codec_up = "int8",
                                .codec_down = "bf16",
                                .fragment_bytes_max = kFragmentBytes},
                               trainer.views());
    ASSERT_TRUE(sync.ok()) << sync.status();
    while (!(*sync)->finished()) {
      pace.arrive_and_wait();
      for (auto* tensor : {&trainer.matrix, &trainer.bias}) {
        for (float& value : *tensor) value -= 0.02f * (value - target);
      }
      auto event = (*sync)->AfterInnerStep({.loss = trainer.bias[0]});
      ASSERT_TRUE(event.ok()) << event.status();
    }
    EXPECT_TRUE((*sync)->Leave().ok());
  };
  std::thread other(work, 1.0f);
  work(3.0f);
  other.join();
  // Between their own minima, at 1 and at 3.
  for (float value : cluster->Parameters()) {
    EXPECT_GT(value, 1.5f);
    EXPECT_LT(value, 2.5f);
  }
}

TEST_F(LocalSgdTest, ServersThatAreNotThereAreNamedAfterTheJoinTimeout) {
  Trainer trainer;
  const absl::Status status =
      LocalSgd::Join(runtime.get(),
                     {.servers = {"tcp://127.0.0.1:1"}, .join_timeout = absl::Milliseconds(200)},
                     trainer.views())
          .status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("tcp://127.0.0.1:1"));
  EXPECT_THAT(trainer.all(), Each(50.0f)) << "the parameters are as they were";
}

TEST_F(LocalSgdTest, OptionsThatCannotWorkAreRefusedBeforeAnythingStarts) {
  Trainer trainer;
  const auto failure = [&](LocalSgdOptions options, std::vector<ParameterView> views) {
    return LocalSgd::Join(runtime.get(), std::move(options), std::move(views)).status();
  };
  EXPECT_TRUE(absl::IsInvalidArgument(failure({}, trainer.views())));
  EXPECT_TRUE(
      absl::IsInvalidArgument(failure({.servers = {"tcp://h:1"}, .alpha = 2}, trainer.views())));
  EXPECT_TRUE(absl::IsInvalidArgument(failure({.servers = {"tcp://h:1"}}, {{"w", {2}, nullptr}})));
  EXPECT_TRUE(absl::IsInvalidArgument(failure({.servers = {"tcp://h:1"}}, {})));
}

}  // namespace
}  // namespace tideway
