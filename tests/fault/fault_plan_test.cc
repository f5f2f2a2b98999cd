// What a FaultPlan draws: how often, for how long, and the same for the same seed.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/fault/wrapped.h"

namespace tideway::testing {
namespace {

TEST(FaultPlans, DelayedMessagesArriveAfterTheirDelayAndInTheirOrder) {
  const FaultPlan plan = {.seed = 5,
                          .delay_probability = 0.5,
                          .delay_min = absl::Milliseconds(20),
                          .delay_max = absl::Milliseconds(100)};
  Wrapped wrapped("inproc", plan, /*in_virtual_time=*/true);
  ASSERT_TRUE(wrapped.Connect().ok());
  std::vector<FaultEvent> delays;
  wrapped.control.SetObserver([&](const FaultEvent& event) { delays.push_back(event); });
  std::vector<absl::Time> arrivals;
  wrapped.servers[0]->on_message = [&](const std::string&, size_t) {
    arrivals.push_back(wrapped.world().executor().Now());
    return absl::OkStatus();
  };
  const absl::Time began = wrapped.world().executor().Now();
  for (int i = 0; i < 100; ++i) wrapped.Send(absl::StrCat(i), "");
  ASSERT_TRUE(wrapped.AwaitReceived(100));
  EXPECT_GT(delays.size(), 30u);
  EXPECT_LT(delays.size(), 70u);
  for (const FaultEvent& event : delays) {
    EXPECT_EQ(event.kind, FaultKind::kDelay);
    EXPECT_GE(event.span, absl::Milliseconds(20));
    EXPECT_LE(event.span, absl::Milliseconds(100));
    EXPECT_GE(arrivals[event.number - 1], began + event.span) << event.ToString();
  }
  EXPECT_LE(arrivals.back(), began + absl::Milliseconds(100)) << "delays do not add up";
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(wrapped.servers[0]->received[i].header, absl::StrCat(i));
  }
}

TEST(FaultPlans, AStallOfThePlanEndsByItself) {
  const FaultPlan plan = {.stall_probability = 1, .stall = absl::Seconds(7)};
  Wrapped wrapped("inproc", plan, /*in_virtual_time=*/true);
  ASSERT_TRUE(wrapped.Connect().ok());
  const absl::Time began = wrapped.world().executor().Now();
  for (int i = 0; i < 3; ++i) wrapped.Send(absl::StrCat(i), "");
  ASSERT_TRUE(wrapped.AwaitReceived(3));
  EXPECT_EQ(wrapped.world().executor().Now() - began, absl::Seconds(21));
  EXPECT_EQ(wrapped.control.count(FaultKind::kStall), 3u);
}

// Everything that can happen to 20 connections of 30 messages each, one after the other.
std::string LogOf(uint64_t seed, const std::string& transport) {
  const FaultPlan plan = {.seed = seed,
                          .delay_probability = 0.2,
                          .delay_max = absl::Milliseconds(30),
                          .stall_probability = 0.02,
                          .stall = absl::Milliseconds(400),
                          .drop_probability = 0.01,
                          .reset_probability = 0.02,
                          .corrupt_header_probability = 0.05,
                          .corrupt_payload_probability = 0.05};
  std::string log;
  Wrapped wrapped(transport, plan, /*in_virtual_time=*/true);
  World& world = wrapped.world();
  wrapped.control.SetObserver([&](const FaultEvent& event) {
    absl::StrAppend(&log, absl::FormatTime(world.executor().Now()), " ", event.ToString(), "\n");
  });
  for (size_t c = 0; c < 20; ++c) {
    EXPECT_TRUE(wrapped.Connect().ok());
    for (int i = 0; i < 30; ++i) wrapped.Send(absl::StrCat(i), "payload", kPatience, c);
    world.sim()->RunFor(absl::Seconds(5));
    absl::StrAppend(&log, c, " received ", wrapped.received(c), "\n");
  }
  for (const FaultKind kind :
       {FaultKind::kDelay, FaultKind::kStall, FaultKind::kDrop, FaultKind::kReset,
        FaultKind::kCorruptHeader, FaultKind::kCorruptPayload}) {
    EXPECT_GT(wrapped.control.count(kind), 0u) << "seed " << seed << " shows nothing\n" << log;
  }
  wrapped.control.SetObserver(nullptr);
  return log;
}

TEST(FaultPlans, TheSameSeedStrikesTheSameWayAndAnotherSeedAnother) {
  for (const char* transport : {"inproc", "sim"}) {
    const std::string first = LogOf(1, transport);
    EXPECT_EQ(first, LogOf(1, transport));
    EXPECT_NE(first, LogOf(2, transport));
  }
}

// In real time threads differ from run to run, but not what happens to the n-th message of a connection.
TEST(FaultPlans, TheSameSeedDamagesTheSameBitsOverRealTransports) {
  const auto payloads = [](uint64_t seed) {
    Wrapped wrapped("tcp", {.seed = seed, .corrupt_payload_probability = 0.1});
    EXPECT_TRUE(wrapped.Connect().ok());
    for (int i = 0; i < 200; ++i) wrapped.Send(absl::StrCat(i), std::string(500, 'p'));
    EXPECT_TRUE(wrapped.AwaitReceived(200));
    std::string all;
    for (const Received& message : wrapped.servers[0]->received) all += message.payload;
    return all;
  };
  const std::string first = payloads(1);
  EXPECT_GT(BitsThatDiffer(first, std::string(first.size(), 'p')), 5);
  EXPECT_TRUE(first == payloads(1));
  EXPECT_FALSE(first == payloads(2));
}

}  // namespace
}  // namespace tideway::testing
