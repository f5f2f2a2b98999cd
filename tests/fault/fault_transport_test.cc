// Each fault does what fault_transport.h says of it, and nothing else.

#include "tideway/fault_transport.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/transport_probe.h"
#include "tests/fault/builtin_entry.h"
#include "tideway/limits.h"

namespace tideway::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// How many bits differ between two texts of one size.
int BitsThatDiffer(const std::string& a, const std::string& b) {
  EXPECT_EQ(a.size(), b.size());
  int bits = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    bits += std::popcount(static_cast<unsigned char>(a[i] ^ b[i]));
  }
  return bits;
}

// A client and a server whose transports are wrapped under one control, and a connection between them.
class Wrapped {
 public:
  explicit Wrapped(const std::string& transport, const FaultPlan& plan = {},
                   bool in_virtual_time = false)
      : scheme_(transport), world_(Entry(transport, plan, control, in_virtual_time)) {
    listener_ = *world_.server().Listen(Address(), [this](std::shared_ptr<Connection> connection) {
      auto peer = std::make_shared<Peer>(world_, world_.server_rule());
      absl::MutexLock lock(&world_.mutex());
      servers.push_back(peer);
      to_clients.push_back(std::move(connection));
      return peer;
    });
  }

  // What connecting brought: another client and server, at the ends of the vectors.
  absl::Status Connect() {
    auto completion = world_.NewCompletion();
    auto peer = std::make_shared<Peer>(world_, world_.client_rule());
    const size_t before = servers.size();
    auto connection = std::make_shared<std::shared_ptr<Connection>>();
    Calling([&] {
      world_.client().Connect(listener_->address(), world_.Soon(), peer,
                              [this, completion, connection](auto result) {
                                InCallback in_callback(world_.client_rule());
                                absl::MutexLock lock(&world_.mutex());
                                ++completion->fired;
                                completion->status = result.status();
                                if (result.ok()) *connection = *std::move(result);
                              });
    });
    const absl::Status status = StatusOf(completion);
    if (!status.ok()) return status;
    EXPECT_TRUE(world_.Await([&] { return servers.size() > before; }));
    clients.push_back(peer);
    to_servers.push_back(*connection);
    return status;
  }

  std::shared_ptr<Completion> Send(const std::string& header, const std::string& payload,
                                   absl::Duration timeout = kPatience, size_t client = 0) {
    return clients[client]->Send(*to_servers[client], header, payload, world_.Soon(timeout));
  }
  absl::Status StatusOf(const std::shared_ptr<Completion>& completion) {
    EXPECT_TRUE(world_.AwaitFired(completion)) << "a completion did not come";
    absl::MutexLock lock(&world_.mutex());
    return completion->status;
  }
  absl::Status AwaitClosed(Peer& peer) {
    EXPECT_TRUE(world_.Await([&] { return peer.close_reason.has_value(); }));
    absl::MutexLock lock(&world_.mutex());
    return peer.close_reason.value_or(absl::UnknownError("OnClosed did not come"));
  }
  bool AwaitReceived(size_t count, size_t server = 0) {
    return world_.Await([&] { return servers[server]->received_count >= count; });
  }
  size_t received(size_t server = 0) {
    absl::MutexLock lock(&world_.mutex());
    return servers[server]->received_count;
  }
  World& world() { return world_; }

  FaultControl control;
  std::vector<std::shared_ptr<Peer>> clients, servers;
  std::vector<std::shared_ptr<Connection>> to_servers, to_clients;

 private:
  Uri Address() const { return *Uri::Parse(scheme_ + "://127.0.0.1:0"); }

  static TransportEntry Entry(const std::string& name, const FaultPlan& plan,
                              const FaultControl& control, bool in_virtual_time) {
    TransportEntry entry = WithFaults(BuiltinEntry(name), plan, control);
    if (!in_virtual_time) return entry;
    entry.probe = [probe = std::move(entry.probe)] {
      TransportInfo info = probe();
      info.real_time = false;
      return info;
    };
    return entry;
  }

  const std::string scheme_;
  World world_;
  std::unique_ptr<Listener> listener_;
};

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
  EXPECT_THAT(wrapped.AwaitClosed(*wrapped.clients[0]).message(),
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

// --- reads ------------------------------------------------------------------------------------------------------

// A read of the server's memory by the client, over inproc.
struct OneRead {
  OneRead(Wrapped& wrapped, const std::string& memory) : got(memory.size(), '?') {
    exposed = *wrapped.to_clients[0]->one_sided()->Expose(Peer::Bytes(memory));
    completion = wrapped.world().NewCompletion();
  }
  void Begin(Wrapped& wrapped, absl::Duration timeout = kPatience) {
    Calling([&] {
      wrapped.to_servers[0]->one_sided()->Read(
          exposed->descriptor(), 0,
          absl::MakeSpan(reinterpret_cast<std::byte*>(got.data()), got.size()),
          wrapped.world().Soon(timeout),
          wrapped.world().Watched(completion, wrapped.world().client_rule()));
    });
  }
  std::string got;
  std::shared_ptr<ExposedMemory> exposed;
  std::shared_ptr<Completion> completion;
};

TEST(FaultyReads, ACorruptReadDiffersInOneBitAndTheExposedMemoryDoesNot) {
  Wrapped wrapped("inproc");
  ASSERT_TRUE(wrapped.Connect().ok());
  const std::string memory(5000, 'm');
  OneRead damaged(wrapped, memory), sound(wrapped, memory);
  wrapped.control.StrikeNext(FaultKind::kCorruptRead);
  damaged.Begin(wrapped);
  EXPECT_TRUE(wrapped.StatusOf(damaged.completion).ok());
  EXPECT_EQ(BitsThatDiffer(damaged.got, std::string(5000, 'm')), 1);
  EXPECT_EQ(memory, std::string(5000, 'm'));
  sound.Begin(wrapped);
  EXPECT_TRUE(wrapped.StatusOf(sound.completion).ok());
  EXPECT_TRUE(sound.got == memory);
}

TEST(FaultyReads, AStalledReadWaitsForResumeOrFailsAtItsDeadline) {
  Wrapped wrapped("inproc", {}, /*in_virtual_time=*/true);
  ASSERT_TRUE(wrapped.Connect().ok());
  const std::string memory(5000, 'm');
  OneRead resumed(wrapped, memory), late(wrapped, memory);
  wrapped.control.Stall();
  resumed.Begin(wrapped);
  wrapped.world().sim()->RunFor(absl::Seconds(30));
  EXPECT_EQ(resumed.completion->fired, 0);
  wrapped.control.Resume();
  EXPECT_TRUE(wrapped.StatusOf(resumed.completion).ok());
  EXPECT_TRUE(resumed.got == memory);
  wrapped.control.Stall();
  late.Begin(wrapped, absl::Seconds(5));
  EXPECT_TRUE(absl::IsDeadlineExceeded(wrapped.StatusOf(late.completion)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(wrapped.AwaitClosed(*wrapped.clients[0])));
  EXPECT_EQ(late.got, std::string(5000, '?'));
}

TEST(FaultyReads, AKillFailsReadsThatAreHeldUp) {
  Wrapped wrapped("inproc");
  ASSERT_TRUE(wrapped.Connect().ok());
  const std::string memory(5000, 'm');
  OneRead read(wrapped, memory);
  wrapped.control.Stall();
  read.Begin(wrapped);
  wrapped.control.KillAll();
  EXPECT_TRUE(absl::IsUnavailable(wrapped.StatusOf(read.completion))) << read.completion->status;
  EXPECT_TRUE(absl::IsUnavailable(wrapped.AwaitClosed(*wrapped.clients[0])));
}

TEST(FaultyReads, ReadsThatAreHeldUpAreBounded) {
  Wrapped wrapped("inproc", {}, /*in_virtual_time=*/true);
  ASSERT_TRUE(wrapped.Connect().ok());
  const std::string memory(16, 'm');
  wrapped.control.Stall();
  std::vector<std::unique_ptr<OneRead>> reads;
  for (size_t i = 0; i < kReadsInFlightMax + 1; ++i) {
    reads.push_back(std::make_unique<OneRead>(wrapped, memory));
    reads.back()->Begin(wrapped);
  }
  EXPECT_TRUE(absl::IsResourceExhausted(wrapped.StatusOf(reads.back()->completion)));
  wrapped.control.Resume();
  EXPECT_TRUE(wrapped.StatusOf(reads.front()->completion).ok());
  wrapped.world().ExpectAllFired();
}

// --- plans ------------------------------------------------------------------------------------------------------

TEST(FaultPlans, DelayedMessagesArriveAfterTheirDelayAndInTheirOrder) {
  const FaultPlan plan = {
      .seed = 5, .delay_probability = 0.5, .delay_max = absl::Milliseconds(100)};
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
