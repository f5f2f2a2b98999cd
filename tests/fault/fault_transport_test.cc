// Each fault does what fault_transport.h says of it, and nothing else.

#include "tideway/fault_transport.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fault/wrapped.h"
#include "tideway/limits.h"

namespace tideway::testing {
namespace {

using ::testing::HasSubstr;

class Faults : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Over, Faults, ::testing::Values("inproc", "tcp", "sim"),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(Faults, ADropClosesTheConnectionInPlaceOfAMessage) {
  Wrapped wrapped(GetParam());
  ASSERT_TRUE(wrapped.Connect().ok());
  wrapped.Send("first", "payload");
  ASSERT_TRUE(wrapped.AwaitReceived(1));
  wrapped.control.StrikeNext(FaultKind::kDrop);
  const auto dropped = wrapped.Send("second", "payload");
  EXPECT_TRUE(absl::IsUnavailable(wrapped.StatusOf(dropped))) << dropped->status;
  const absl::Status reason = wrapped.AwaitClosed(*wrapped.clients[0]);
  EXPECT_TRUE(absl::IsUnavailable(reason));
  EXPECT_THAT(reason.message(), HasSubstr("dropped by the fault decorator"));
  EXPECT_TRUE(absl::IsUnavailable(wrapped.AwaitClosed(*wrapped.servers[0])));
  EXPECT_EQ(wrapped.received(), 1u);
  EXPECT_EQ(wrapped.control.count(FaultKind::kDrop), 1u);
  EXPECT_EQ(wrapped.control.connections(), 0u);
}

TEST_P(Faults, AResetFailsTheLandingAndClosesBothEndsAsUnavailable) {
  Wrapped wrapped(GetParam());
  ASSERT_TRUE(wrapped.Connect().ok());
  bool asked = false;
  wrapped.servers[0]->on_message = [&asked](const std::string&, size_t) {
    asked = true;
    return absl::OkStatus();
  };
  wrapped.control.StrikeNext(FaultKind::kReset);
  wrapped.Send("header", std::string(100'000, 'p'));
  const absl::Status reason = wrapped.AwaitClosed(*wrapped.servers[0]);
  EXPECT_TRUE(absl::IsUnavailable(reason));
  EXPECT_THAT(reason.message(), HasSubstr("reset in mid-message"));
  EXPECT_TRUE(absl::IsUnavailable(wrapped.AwaitClosed(*wrapped.clients[0])));
  EXPECT_TRUE(asked) << "the header did not arrive";
  EXPECT_EQ(wrapped.received(), 0u);
  EXPECT_EQ(wrapped.control.count(FaultKind::kReset), 1u);
}

TEST_P(Faults, AMessageWithoutPayloadHasNoMiddleToBeResetIn) {
  Wrapped wrapped(GetParam());
  ASSERT_TRUE(wrapped.Connect().ok());
  wrapped.control.StrikeNext(FaultKind::kReset);
  wrapped.Send("only a header", "");
  ASSERT_TRUE(wrapped.AwaitReceived(1));
  wrapped.Send("and", "a payload");
  EXPECT_TRUE(absl::IsUnavailable(wrapped.AwaitClosed(*wrapped.servers[0])));
}

TEST_P(Faults, ACorruptPayloadDiffersInOneBitAndTheSendersBufferDoesNot) {
  Wrapped wrapped(GetParam());
  ASSERT_TRUE(wrapped.Connect().ok());
  const std::string payload(10'000, 'p');
  const std::string kept = payload;
  wrapped.control.StrikeNext(FaultKind::kCorruptPayload);
  for (int i = 0; i < 2; ++i) {
    Message message;
    message.payload.push_back(Peer::Bytes(payload));
    auto sent = wrapped.world().NewCompletion();
    Calling([&] {
      wrapped.to_servers[0]->Send(message, wrapped.world().Soon(),
                                  wrapped.world().Watched(sent, wrapped.world().client_rule()));
    });
    EXPECT_TRUE(wrapped.StatusOf(sent).ok());
  }
  ASSERT_TRUE(wrapped.AwaitReceived(2));
  EXPECT_EQ(BitsThatDiffer(wrapped.servers[0]->received[0].payload, kept), 1);
  EXPECT_TRUE(wrapped.servers[0]->received[1].payload == kept) << "one message was to be struck";
  EXPECT_TRUE(payload == kept) << "the sender's own buffer was changed";
}

TEST_P(Faults, ACorruptHeaderDiffersInOneBit) {
  Wrapped wrapped(GetParam());
  ASSERT_TRUE(wrapped.Connect().ok());
  wrapped.control.StrikeNext(FaultKind::kCorruptHeader);
  wrapped.Send("header", "payload");
  wrapped.Send("header", "payload");
  ASSERT_TRUE(wrapped.AwaitReceived(2));
  EXPECT_EQ(BitsThatDiffer(wrapped.servers[0]->received[0].header, "header"), 1);
  EXPECT_EQ(wrapped.servers[0]->received[0].payload, "payload");
  EXPECT_EQ(wrapped.servers[0]->received[1].header, "header");
}

TEST_P(Faults, AKillEndsEveryConnectionAtBothEndsAndFailsWhatIsPending) {
  Wrapped wrapped(GetParam());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(wrapped.Connect().ok());
  EXPECT_EQ(wrapped.control.connections(), 6u) << "both ends of three connections";
  wrapped.control.Stall();  // so that something is pending
  const auto pending = wrapped.Send("x", "y", kPatience, 1);
  EXPECT_EQ(Calling([&] { return wrapped.control.KillAll(); }), 6u);
  EXPECT_TRUE(absl::IsUnavailable(wrapped.StatusOf(pending))) << pending->status;
  for (const auto* ends : {&wrapped.clients, &wrapped.servers}) {
    for (const auto& end : *ends) {
      EXPECT_TRUE(absl::IsUnavailable(wrapped.AwaitClosed(*end)));
    }
  }
  // The end that is killed second may have learnt of its peer's death before.
  EXPECT_THAT(absl::StrCat(wrapped.AwaitClosed(*wrapped.clients[0]).message(), "; ",
                           wrapped.AwaitClosed(*wrapped.servers[0]).message()),
              HasSubstr("killed by the fault decorator"));
  EXPECT_EQ(wrapped.control.KillAll(), 0u);
  EXPECT_EQ(wrapped.received(1), 0u);
}

TEST_P(Faults, TheOldestConnectionCanBeKilledAlone) {
  Wrapped wrapped(GetParam());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(wrapped.Connect().ok());
  EXPECT_TRUE(wrapped.control.KillOldest());
  EXPECT_TRUE(absl::IsUnavailable(wrapped.AwaitClosed(*wrapped.clients[0])));
  EXPECT_TRUE(absl::IsUnavailable(wrapped.AwaitClosed(*wrapped.servers[0])));
  wrapped.Send("still", "there", kPatience, 1);
  EXPECT_TRUE(wrapped.AwaitReceived(1, 1));
}

TEST_P(Faults, RefusedConnectionsFailAsUnavailableUntilTheyAreAllowedAgain) {
  Wrapped wrapped(GetParam());
  ASSERT_TRUE(wrapped.Connect().ok());
  wrapped.control.RefuseConnections(true);
  const absl::Status refused = wrapped.Connect();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("refuses connections"));
  EXPECT_GE(wrapped.control.count(FaultKind::kRefuse), 1u);
  wrapped.Send("what stands", "goes on");
  EXPECT_TRUE(wrapped.AwaitReceived(1));
  wrapped.control.RefuseConnections(false);
  EXPECT_TRUE(wrapped.Connect().ok());
}

TEST_P(Faults, AStalledMessageFailsAtItsDeadlineAndTheConnectionCloses) {
  Wrapped wrapped(GetParam());
  ASSERT_TRUE(wrapped.Connect().ok());
  wrapped.control.Stall();
  const auto patient = wrapped.Send("first", "has time");
  const auto late = wrapped.Send("second", "has none", absl::Milliseconds(20));
  EXPECT_TRUE(absl::IsDeadlineExceeded(wrapped.StatusOf(late))) << late->status;
  EXPECT_TRUE(absl::IsDeadlineExceeded(wrapped.StatusOf(patient))) << patient->status;
  EXPECT_TRUE(absl::IsDeadlineExceeded(wrapped.AwaitClosed(*wrapped.clients[0])));
  EXPECT_TRUE(absl::IsUnavailable(wrapped.AwaitClosed(*wrapped.servers[0])));
  EXPECT_EQ(wrapped.received(), 0u);
}

TEST_P(Faults, WhatWasStalledArrivesInItsOrderAfterResume) {
  Wrapped wrapped(GetParam());
  wrapped.control.Stall();
  ASSERT_TRUE(wrapped.Connect().ok()) << "a stall holds messages, not connections";
  std::vector<std::shared_ptr<Completion>> sent;
  for (int i = 0; i < 20; ++i) sent.push_back(wrapped.Send(absl::StrCat(i), "payload"));
  if (wrapped.world().sim() != nullptr) wrapped.world().sim()->RunFor(absl::Seconds(30));
  EXPECT_EQ(wrapped.received(), 0u);
  for (const auto& completion : sent) EXPECT_EQ(completion->fired, 0);
  Calling([&] { wrapped.control.Resume(); });
  ASSERT_TRUE(wrapped.AwaitReceived(20));
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(wrapped.servers[0]->received[i].header, absl::StrCat(i));
  }
}

TEST_P(Faults, WhatIsHeldUpCountsAgainstTheSendQueuesLimits) {
  Wrapped wrapped(GetParam());
  ASSERT_TRUE(wrapped.Connect().ok());
  wrapped.control.Stall();
  for (size_t i = 0; i < kSendQueueMessagesMax; ++i) wrapped.Send("x", "");
  const auto refused = wrapped.Send("one too many", "");
  EXPECT_TRUE(absl::IsResourceExhausted(wrapped.StatusOf(refused))) << refused->status;
  wrapped.control.Resume();
  ASSERT_TRUE(wrapped.AwaitReceived(kSendQueueMessagesMax));
  wrapped.Send("last", "");
  EXPECT_TRUE(wrapped.AwaitReceived(kSendQueueMessagesMax + 1)) << "the connection was harmed";
}

TEST_P(Faults, StopFailsWhatIsHeldUpBeforeItReturns) {
  Wrapped wrapped(GetParam());
  ASSERT_TRUE(wrapped.Connect().ok());
  wrapped.control.Stall();
  for (int i = 0; i < 10; ++i) wrapped.Send("x", "y");
  wrapped.world().client().Stop();
  EXPECT_EQ(*wrapped.clients[0]->sends_waiting, 0);
  absl::MutexLock lock(&wrapped.world().mutex());
  ASSERT_TRUE(wrapped.clients[0]->close_reason.has_value());
  EXPECT_TRUE(absl::IsCancelled(*wrapped.clients[0]->close_reason));
}

TEST_P(Faults, ASendFromTheDoneOfAHeldUpOneIsFailedBeforeOnClosedToo) {
  Wrapped wrapped(GetParam());
  ASSERT_TRUE(wrapped.Connect().ok());
  wrapped.control.Stall();
  int rounds = 0;
  std::function<void(const absl::Status&)> again = [&](const absl::Status&) {
    if (++rounds > 3) return;
    wrapped.clients[0]->Send(*wrapped.to_servers[0], "again", "", wrapped.world().Soon(), again);
  };
  again(absl::OkStatus());
  Calling([&] { wrapped.to_servers[0]->Close(absl::CancelledError("enough")); });
  EXPECT_EQ(wrapped.AwaitClosed(*wrapped.clients[0]), absl::CancelledError("enough"));
  wrapped.world().ExpectAllFired();
  EXPECT_EQ(rounds, 4);
}

TEST_P(Faults, TheConnectionSaysThatItIsFaulty) {
  Wrapped wrapped(GetParam(), {.seed = 42});
  ASSERT_TRUE(wrapped.Connect().ok());
  EXPECT_EQ(wrapped.to_servers[0]->info().details["faults"], "injected, seed 42, connect 1");
  EXPECT_EQ(wrapped.to_clients[0]->info().details["faults"], "injected, seed 42, accept 1");
}

}  // namespace
}  // namespace tideway::testing
