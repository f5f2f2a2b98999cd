// What both executors promise, and what each promises alone.

#include "tideway/executor.h"

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "core/runtime/fork_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/sim_executor.h"

namespace tideway {
namespace {

using ::testing::ElementsAre;

constexpr absl::Duration kPatience = absl::Seconds(30);

TEST(ThreadExecutor, RunsEveryPostedTaskExactlyOnce) {
  auto executor = NewThreadExecutor({.threads = 3});
  constexpr int kTasks = 20000;
  std::vector<std::atomic<int>> runs(kTasks);
  absl::BlockingCounter all(kTasks);
  std::vector<std::thread> posters;
  for (int p = 0; p < 4; ++p) {
    posters.emplace_back([&, p] {
      for (int i = p; i < kTasks; i += 4) {
        executor->Post([&runs, &all, i] {
          ++runs[static_cast<size_t>(i)];
          all.DecrementCount();
        });
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  all.Wait();
  for (const auto& count : runs) ASSERT_EQ(count, 1);
}

TEST(ThreadExecutor, RunsNoTaskInsideTheCallThatPostedIt) {
  auto executor = NewThreadExecutor({.threads = 1});
  absl::Notification done;
  bool posting = false;
  executor->Post([&] {
    posting = true;
    executor->Post([&] {
      EXPECT_FALSE(posting);
      done.Notify();
    });
    posting = false;
  });
  ASSERT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
}

TEST(ThreadExecutor, RunsTasksInParallelOnItsThreads) {
  auto executor = NewThreadExecutor({.threads = 2});
  absl::Notification first;
  absl::Notification second;
  absl::BlockingCounter both(2);
  executor->Post([&] {
    first.Notify();
    EXPECT_TRUE(second.WaitForNotificationWithTimeout(kPatience));
    both.DecrementCount();
  });
  executor->Post([&] {
    second.Notify();
    EXPECT_TRUE(first.WaitForNotificationWithTimeout(kPatience));
    both.DecrementCount();
  });
  both.Wait();
}

TEST(ThreadExecutor, RunsATimerNotBeforeItIsDueAndInOrderOfDueTime) {
  auto executor = NewThreadExecutor({.threads = 1});
  const absl::Time start = executor->Now();
  std::string order;
  absl::Notification done;
  executor->PostAt(start + absl::Milliseconds(20), [&] {
    EXPECT_GE(executor->Now(), start + absl::Milliseconds(20));
    order += "late";
    done.Notify();
  });
  executor->PostAt(start + absl::Milliseconds(5), [&] { order += "early "; });
  executor->PostAt(start - absl::Hours(1), [&] { order += "past "; });
  ASSERT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(order, "past early late");
}

TEST(ThreadExecutor, CancelDestroysTheTaskBeforeItReturnsAndOnlyOnce) {
  auto executor = NewThreadExecutor({.threads = 1});
  auto alive = std::make_shared<int>(0);
  std::weak_ptr<int> watch = alive;
  const TimerId timer =
      executor->PostAt(executor->Now() + absl::Hours(1), [alive = std::move(alive)] { FAIL(); });
  EXPECT_TRUE(executor->Cancel(timer));
  EXPECT_TRUE(watch.expired());
  EXPECT_FALSE(executor->Cancel(timer));
  EXPECT_FALSE(executor->Cancel(0));
}

TEST(ThreadExecutor, StopDestroysWaitingTasksUnrunAndReturnsAfterTheLastTask) {
  auto executor = NewThreadExecutor({.threads = 1});
  auto alive = std::make_shared<int>(0);
  std::weak_ptr<int> watch = alive;
  absl::Notification running;
  std::atomic<bool> finished = false;
  executor->Post([&] {
    running.Notify();
    // A stopping executor drops what is posted at once.
    auto probe = std::make_shared<int>(0);
    do {
      executor->Post([probe] {});
    } while (probe.use_count() > 1 && (probe = std::make_shared<int>(0)));
    finished = true;
  });
  ASSERT_TRUE(running.WaitForNotificationWithTimeout(kPatience));
  executor->PostAt(executor->Now() + absl::Hours(1), [alive = std::move(alive)] { FAIL(); });
  executor->Stop();
  EXPECT_TRUE(finished);
  EXPECT_TRUE(watch.expired());
  executor->Post([] { FAIL(); });
  EXPECT_EQ(executor->PostAt(executor->Now(), [] { FAIL(); }), 0u);
}

TEST(ThreadExecutor, AForkedChildDropsItsTasksAndDestroysItWithoutWaitingForItsThreads) {
  auto executor = NewThreadExecutor({.threads = 2});
  EXPECT_TRUE(testing::PassesInChild([&] {
    bool destroyed = false;
    executor->Post([guard = absl::MakeCleanup([&] { destroyed = true; })] {});
    EXPECT_TRUE(destroyed);
    EXPECT_EQ(executor->PostAt(executor->Now(), [] {}), 0u);
    EXPECT_NE(executor->Random(), executor->Random());
    executor->Stop();
    executor.reset();
  }));
  absl::Notification ran;
  executor->Post([&] { ran.Notify(); });
  ran.WaitForNotification();
}

TEST(ThreadExecutor, ItsClockNeverGoesBackAndItsRandomNumbersDiffer) {
  auto executor = NewThreadExecutor({.threads = 1});
  absl::Time last = executor->Now();
  std::set<uint64_t> numbers;
  for (int i = 0; i < 1000; ++i) {
    const absl::Time now = executor->Now();
    ASSERT_GE(now, last);
    last = now;
    numbers.insert(executor->Random());
  }
  EXPECT_EQ(numbers.size(), 1000u);
}

TEST(SimExecutor, RunsTasksInOrderOfTimeAndThenOfPosting) {
  SimExecutor executor(1);
  std::vector<int> order;
  executor.PostAt(executor.Now() + absl::Seconds(2), [&] { order.push_back(4); });
  executor.PostAt(executor.Now() + absl::Seconds(1), [&] { order.push_back(3); });
  executor.Post([&] { order.push_back(1); });
  executor.Post([&] { order.push_back(2); });
  EXPECT_EQ(executor.RunUntilIdle(), 4u);
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4));
}

TEST(SimExecutor, TimeJumpsToTheTaskAndStandsStillWhileItRuns) {
  SimExecutor executor(1);
  const absl::Time start = executor.Now();
  executor.PostAt(start + absl::Hours(5), [&] {
    EXPECT_EQ(executor.Now(), start + absl::Hours(5));
    executor.PostAt(start, [&] { EXPECT_EQ(executor.Now(), start + absl::Hours(5)); });
  });
  EXPECT_EQ(executor.RunUntilIdle(), 2u);
  executor.RunFor(absl::Hours(1));
  EXPECT_EQ(executor.Now(), start + absl::Hours(6));
}

TEST(SimExecutor, RunUntilRunsWhatIsDueAndLeavesTheRest) {
  SimExecutor executor(1);
  int ran = 0;
  executor.PostAt(executor.Now() + absl::Seconds(1), [&] { ++ran; });
  executor.PostAt(executor.Now() + absl::Seconds(3), [&] { ++ran; });
  executor.RunFor(absl::Seconds(2));
  EXPECT_EQ(ran, 1);
  EXPECT_TRUE(executor.RunUntilTrue([&] { return ran == 2; }));
  EXPECT_FALSE(executor.RunUntilTrue([&] { return ran == 3; }));
}

TEST(SimExecutor, ATimerInTheInfiniteFutureNeverRuns) {
  SimExecutor executor(1);
  executor.PostAt(absl::InfiniteFuture(), [] { FAIL(); });
  EXPECT_EQ(executor.RunUntilIdle(), 0u);
  EXPECT_LT(executor.Now(), absl::InfiniteFuture());
}

TEST(SimExecutor, CancelAndStopDestroyTasksUnrun) {
  SimExecutor executor(1);
  auto alive = std::make_shared<int>(0);
  std::weak_ptr<int> watch = alive;
  const TimerId timer = executor.PostAt(executor.Now() + absl::Seconds(1), [alive] { FAIL(); });
  EXPECT_TRUE(executor.Cancel(timer));
  EXPECT_FALSE(executor.Cancel(timer));
  executor.Post([alive = std::move(alive)] { FAIL(); });
  EXPECT_FALSE(watch.expired());
  executor.Stop();
  EXPECT_TRUE(watch.expired());
  executor.Post([] { FAIL(); });
  EXPECT_EQ(executor.RunUntilIdle(), 0u);
}

std::vector<uint64_t> RunARandomProgram(uint64_t seed) {
  SimExecutor executor(seed);
  std::vector<uint64_t> log;
  std::function<void()> step = [&] {
    log.push_back(static_cast<uint64_t>(absl::ToUnixNanos(executor.Now())));
    log.push_back(executor.Random());
    if (log.size() < 200) {
      executor.PostAt(executor.Now() + absl::Nanoseconds(executor.Random() % 1000), step);
      executor.Post(step);
    }
  };
  executor.Post(step);
  executor.RunUntilIdle();
  return log;
}

TEST(SimExecutor, TheSameSeedGivesTheSameRunAndAnotherSeedAnother) {
  EXPECT_EQ(RunARandomProgram(7), RunARandomProgram(7));
  EXPECT_NE(RunARandomProgram(7), RunARandomProgram(8));
}

}  // namespace
}  // namespace tideway
