// Where completions run: on the executor, or at once, on the thread on which they arise.

#include <pthread.h>

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"

namespace tideway {
namespace {

using ::tideway::testing::Cluster;
using ::tideway::testing::Peer;
using ::tideway::testing::Soon;

constexpr size_t kElements = 100;
constexpr int kPushes = 200;

std::string ThreadName() {
  std::array<char, 16> name = {};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  return name.data();
}

class CompletionsTest : public ::testing::Test {
 protected:
  CompletionsTest()
      : cluster_(*Layout::Create({{"w", {static_cast<int64_t>(kElements)}}}, {}),
                 {.outer_optimizer = "sgd:lr=1"}, std::vector<float>(kElements)),
        delta_(kElements, 1.0f) {}

  // Pushes kPushes deltas, each from the completion of the one before; `seen` is called in each completion.
  void PushInTurn(Peer& peer, const std::function<void()>& seen) {
    absl::Notification last;
    int left = kPushes;
    std::function<void(const absl::StatusOr<PushReport>&)> next =
        [&](const absl::StatusOr<PushReport>& report) {
          EXPECT_TRUE(report.ok()) << report.status();
          seen();
          if (--left == 0) return last.Notify();
          peer.client->Push(delta_, {}, Soon(*peer.runtime), next);
        };
    peer.client->Push(delta_, {}, Soon(*peer.runtime), next);
    last.WaitForNotification();
  }

  // How many of kPushes completions ran on a thread of that name.
  int CompletionsOn(const std::string& thread, bool at_once) {
    Peer peer(cluster_, {.completions_at_once = at_once});
    EXPECT_TRUE(peer.Join().ok());
    int on_it = 0;
    PushInTurn(peer, [&] { on_it += ThreadName() == thread ? 1 : 0; });
    return on_it;
  }

  Cluster cluster_;
  std::vector<float> delta_;
};

TEST_F(CompletionsTest, RunOnTheExecutorUnlessAskedOtherwise) {
  EXPECT_EQ(CompletionsOn("tideway-worker", false), kPushes);
}

TEST_F(CompletionsTest, RunAtOnceOnTheTransportsThreadIfAskedTo) {
  // Not all: one arises elsewhere where another thread is in the client's state.
  EXPECT_GE(CompletionsOn("tideway-tcp", true), kPushes / 2);
}

TEST_F(CompletionsTest, NoneRunsInsideTheCallThatCausedItAlsoFromACompletion) {
  Peer peer(cluster_, {.completions_at_once = true});
  ASSERT_TRUE(peer.Join().ok());
  const std::vector<float> too_short(1);
  thread_local bool inside = false;
  std::atomic<int> refused{0};
  const auto push_too_short = [&] {
    inside = true;
    peer.client->Push(too_short, {}, Soon(*peer.runtime),
                      [&](const absl::StatusOr<PushReport>& report) {
                        EXPECT_TRUE(absl::IsInvalidArgument(report.status())) << report.status();
                        EXPECT_FALSE(inside);
                        refused.fetch_add(1);
                      });
    inside = false;
  };
  push_too_short();
  PushInTurn(peer, push_too_short);
  peer.client.reset();  // returns after the last completion
  EXPECT_EQ(refused.load(), kPushes + 1);
}

TEST_F(CompletionsTest, ComeOneAtATimeAndInTheOrderOfThePushes) {
  Peer peer(cluster_, {.completions_at_once = true});
  ASSERT_TRUE(peer.Join().ok());
  std::atomic<int> running{0};
  int completed = 0;  // not atomic: one at a time
  for (int i = 0; i < kPushes; ++i) {
    peer.client->Push(delta_, {}, Soon(*peer.runtime),
                      [&, i](const absl::StatusOr<PushReport>& report) {
                        EXPECT_TRUE(report.ok()) << report.status();
                        EXPECT_EQ(running.fetch_add(1), 0);
                        EXPECT_EQ(completed++, i);
                        running.fetch_sub(1);
                      });
  }
  EXPECT_TRUE(peer.Push(delta_).ok());
  EXPECT_EQ(completed, kPushes);
  EXPECT_EQ(cluster_.Parameters(), std::vector<float>(kElements, -1.0f * (kPushes + 1)));
}

}  // namespace
}  // namespace tideway
