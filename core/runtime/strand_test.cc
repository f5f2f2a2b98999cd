#include "core/runtime/strand.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tideway/sim_executor.h"

namespace tideway {
namespace {

TEST(Strand, RunsTasksInTheOrderOfPosting) {
  SimExecutor executor(1);
  Strand strand(&executor);
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) strand.Post([&order, i] { order.push_back(i); });
  executor.RunUntilIdle();
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(Strand, NeverRunsTwoTasksAtOnceWhilePostersRace) {
  auto executor = NewThreadExecutor({.threads = 4});
  Strand strand(executor.get());
  constexpr int kPosters = 4;
  constexpr int kEach = 5000;
  absl::BlockingCounter all(kPosters * kEach);
  int unguarded = 0;  // a lost update or a tsan report if two tasks overlap
  std::vector<int> last(kPosters, -1);
  std::vector<std::thread> posters;
  for (int p = 0; p < kPosters; ++p) {
    posters.emplace_back([&, p] {
      for (int i = 0; i < kEach; ++i) {
        const auto hand_in = [&](Task task) {
          if (i % 3 == 0) {
            strand.Dispatch(std::move(task));
          } else {
            strand.Post(std::move(task));
          }
        };
        hand_in([&, p, i] {
          ++unguarded;
          EXPECT_EQ(last[static_cast<size_t>(p)], i - 1);
          last[static_cast<size_t>(p)] = i;
          all.DecrementCount();
        });
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  all.Wait();
  executor->Stop();
  EXPECT_EQ(unguarded, kPosters * kEach);
}

TEST(Strand, PostUrgentGoesInFrontOfWaitingTasksAndBehindUrgentOnes) {
  SimExecutor executor(1);
  Strand strand(&executor);
  std::string order;
  strand.Post([&] {
    order += 'a';
    strand.PostUrgent([&] { order += 'X'; });
    strand.PostUrgent([&] { order += 'Y'; });
  });
  strand.Post([&] { order += 'b'; });
  strand.Post([&] { order += 'c'; });
  executor.RunUntilIdle();
  EXPECT_EQ(order, "aXYbc");
}

TEST(Strand, DispatchRunsAtOnceWhereNothingWaits) {
  SimExecutor executor(1);
  Strand strand(&executor);
  std::string order;
  strand.Dispatch([&] {
    order += 'a';
    strand.Dispatch([&] { order += 'c'; });  // one of its tasks is running: it waits
    strand.Post([&] { order += 'd'; });
    order += 'b';
  });
  EXPECT_EQ(order, "abcd");
  strand.Post([&] { order += 'e'; });
  strand.Dispatch([&] { order += 'f'; });  // not in front of what waits
  EXPECT_EQ(order, "abcd");
  executor.RunUntilIdle();
  EXPECT_EQ(order, "abcdef");
}

TEST(Strand, DispatchAloneRunsItsOwnTaskAndLeavesTheRestToTheExecutor) {
  SimExecutor executor(1);
  Strand strand(&executor);
  std::string order;
  strand.DispatchAlone([&] {
    order += 'a';
    strand.Post([&] { order += 'b'; });
  });
  EXPECT_EQ(order, "a") << "the caller may hold a lock that 'b' wants";
  strand.DispatchAlone([&] { order += 'c'; });  // not in front of what waits
  EXPECT_EQ(order, "a");
  executor.RunUntilIdle();
  EXPECT_EQ(order, "abc");
  strand.DispatchAlone([&] { order += 'd'; });
  EXPECT_EQ(order, "abcd") << "an idle strand runs it at once";
}

TEST(Strand, DispatchLeavesALongRowOfTasksToTheExecutor) {
  SimExecutor executor(1);
  Strand strand(&executor);
  int ran = 0;
  strand.Dispatch([&] {
    for (int i = 0; i < 1000; ++i) strand.Post([&] { ++ran; });
  });
  EXPECT_LT(ran, 100);
  executor.RunUntilIdle();
  EXPECT_EQ(ran, 1000);
}

TEST(Strand, LetsOtherTasksOfTheExecutorRunBetweenItsTurns) {
  SimExecutor executor(1);
  Strand strand(&executor);
  int ran = 0;
  int ran_before_other = -1;
  for (int i = 0; i < 1000; ++i) strand.Post([&] { ++ran; });
  executor.Post([&] { ran_before_other = ran; });
  executor.RunUntilIdle();
  EXPECT_EQ(ran, 1000);
  EXPECT_GT(ran_before_other, 0);
  EXPECT_LT(ran_before_other, 100);
}

TEST(Strand, DroppingTheHandleLetsWaitingTasksRun) {
  SimExecutor executor(1);
  int ran = 0;
  {
    Strand strand(&executor);
    for (int i = 0; i < 100; ++i) strand.Post([&] { ++ran; });
  }
  executor.RunUntilIdle();
  EXPECT_EQ(ran, 100);
}

TEST(Strand, AStoppedExecutorDestroysWaitingTasksEvenIfTheyOwnTheStrand) {
  auto alive = std::make_shared<int>(0);
  std::weak_ptr<int> watch = alive;
  auto executor = std::make_unique<SimExecutor>(1);
  {
    auto strand = std::make_shared<Strand>(executor.get());
    strand->Post([strand, alive = std::move(alive)] { FAIL(); });
  }
  EXPECT_FALSE(watch.expired());
  executor->Stop();
  EXPECT_TRUE(watch.expired());
}

TEST(Strand, PostAfterTheExecutorStoppedDestroysTheTask) {
  SimExecutor executor(1);
  Strand strand(&executor);
  executor.Stop();
  auto alive = std::make_shared<int>(0);
  std::weak_ptr<int> watch = alive;
  strand.Post([alive = std::move(alive)] { FAIL(); });
  EXPECT_TRUE(watch.expired());
}

TEST(Strand, TryRunRunsAtOnceWhereTheStrandIsIdleAndLeavesTheTaskAloneWhereItIsNot) {
  SimExecutor executor(1);
  Strand strand(&executor);
  std::string order;
  Task inner = [&order] { order += "inner "; };
  Task outer = [&] {
    order += "outer ";
    EXPECT_FALSE(strand.TryRun(inner)) << "the strand is busy with this task";
    strand.Post([&order] { order += "posted "; });
  };
  ASSERT_TRUE(strand.TryRun(outer));
  EXPECT_EQ(order, "outer ");
  EXPECT_FALSE(strand.TryRun(inner)) << "a task waits";
  executor.RunUntilIdle();
  EXPECT_EQ(order, "outer posted ");
  ASSERT_TRUE(strand.TryRun(inner));
  EXPECT_EQ(order, "outer posted inner ");
}

TEST(Strand, WhatIsLeftWakesNobodyUntilItIsRunOrAnotherTaskIsPosted) {
  SimExecutor executor(1);
  Strand strand(&executor);
  std::string order;
  strand.Leave([&order] { order += "1 "; });
  executor.RunUntilIdle();
  EXPECT_EQ(order, "");
  strand.Leave([&order] { order += "2 "; });
  strand.RunLeft();
  EXPECT_EQ(order, "1 2 ");
  strand.RunLeft();  // nothing is left
  strand.Leave([&order] { order += "3 "; });
  strand.Post([&order] { order += "4 "; });
  strand.RunLeft();  // the posted one's turn comes, and takes both along
  EXPECT_EQ(order, "1 2 ");
  executor.RunUntilIdle();
  EXPECT_EQ(order, "1 2 3 4 ");
}

}  // namespace
}  // namespace tideway
