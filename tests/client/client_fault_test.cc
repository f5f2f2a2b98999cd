// Handshakes, reconnects, heartbeats, and what a client does about a server that breaks the protocol.

#include <set>

#include "tests/client/fixture.h"

namespace tideway::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using wire::FrameType;

class ClientFaults : public ClientTest {
 protected:
  std::optional<absl::StatusOr<PushReport>> pushed;
  void StartPush(const std::vector<float>& delta) {
    client->Push(delta, {}, In(absl::Minutes(10)),
                 [this](auto report) { pushed = std::move(report); });
  }
};

TEST_F(ClientFaults, TheHelloSaysWhoCallsAndWhatModelItHas) {
  CreateAndJoin({.worker = "berta", .codec_up = "int8"});
  const auto hellos = server.Received(FrameType::kHello);
  ASSERT_THAT(hellos, SizeIs(1));
  wire::Hello hello;
  ASSERT_TRUE(hello.ParseFromString(hellos[0].payload));
  EXPECT_EQ(hello.worker(), "berta");
  EXPECT_NE(hello.incarnation(), 0u);
  EXPECT_EQ(hello.layout_fingerprint(), server.layout.fingerprint());
  EXPECT_THAT(hello.codec_up(), HasSubstr("int8"));
}

TEST_F(ClientFaults, ARefusedHandshakeFailsJoinAtOnceWithTheServersReason) {
  server.on_frame = [](FakeConnection& connection, const Frame&) {
    connection.Refuse(absl::InvalidArgumentError("another model"));
  };
  Create();
  const absl::Status joined = Join();
  EXPECT_TRUE(absl::IsInvalidArgument(joined));
  EXPECT_THAT(std::string(joined.message()), HasSubstr("another model"));
  executor.RunFor(absl::Minutes(5));
  EXPECT_THAT(server.attempts, SizeIs(1)) << "a final refusal must not be asked for again";
}

TEST_F(ClientFaults, AnUnreachableServerFailsJoinAtTheDeadlineAndIsNamed) {
  server.on_connect = [](int) { return absl::UnavailableError("nobody listens"); };
  Create();
  const absl::Time before = executor.Now();
  const absl::Status joined = Join(absl::Seconds(20));
  EXPECT_TRUE(absl::IsDeadlineExceeded(joined)) << joined;
  EXPECT_THAT(std::string(joined.message()), HasSubstr("server 0 (fake://server)"));
  EXPECT_THAT(std::string(joined.message()), HasSubstr("nobody listens"));
  EXPECT_EQ(executor.Now() - before, absl::Seconds(20));
}

TEST_F(ClientFaults, AServerThatNeverAnswersTheHandshakeIsTriedAgain) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (connection.number() > 1) server.Behave(connection, frame);
  };
  Create();
  EXPECT_TRUE(Join().ok());
  EXPECT_THAT(server.attempts, SizeIs(2));
}

TEST_F(ClientFaults, PausesBetweenAttemptsGrowAndAreBounded) {
  server.on_connect = [](int attempt) {
    return attempt <= 12 ? absl::UnavailableError("not yet") : absl::OkStatus();
  };
  Create();
  ASSERT_TRUE(Join(absl::Minutes(2)).ok());
  ASSERT_THAT(server.attempts, SizeIs(13));
  const auto pause = [this](size_t i) { return server.attempts[i + 1] - server.attempts[i]; };
  EXPECT_LE(pause(0), absl::Milliseconds(50));
  EXPECT_GE(pause(0), absl::Milliseconds(25));
  EXPECT_GE(pause(11), absl::Milliseconds(2500));
  EXPECT_LE(pause(11), absl::Milliseconds(5000));
  EXPECT_THAT(warnings, SizeIs(1)) << "the first failure of a row is news, the rest is not";
}

std::vector<absl::Time> AttemptsWithSeed(uint64_t seed) {
  SimExecutor executor(seed);
  FakeServer server(&executor, SixteenFloats());
  server.on_connect = [](int) { return absl::UnavailableError("not there"); };
  RuntimeOptions options;
  EXPECT_TRUE(options.transports.Add(server.Entry()).ok());
  options.codecs = BuiltinCodecs();
  options.executor = &executor;
  Runtime runtime(std::move(options));
  auto client = Client::Create(&runtime, {.servers = {"fake://x"}, .worker = "w"}, server.layout);
  (*client)->Join(executor.Now() + absl::Seconds(20), [](absl::Status) {});
  executor.RunUntilIdle();
  (*client)->Close();
  executor.RunUntilIdle();
  return server.attempts;
}

TEST(ClientBackoff, JitterComesFromTheExecutorsSeedAlone) {
  EXPECT_EQ(AttemptsWithSeed(7), AttemptsWithSeed(7));
  EXPECT_NE(AttemptsWithSeed(7), AttemptsWithSeed(8));
}

TEST_F(ClientFaults, AServerThatStaysAwayFailsEverythingPendingWithUnavailable) {
  server.on_connect = [](int attempt) {
    return attempt == 1 ? absl::OkStatus() : absl::UnavailableError("it is gone");
  };
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() == FrameType::kPush) return connection.Close(absl::UnavailableError("crash"));
    server.Behave(connection, frame);
  };
  CreateAndJoin({.reconnect_timeout = absl::Seconds(10)});
  const std::vector<float> delta = Counting(16);
  const absl::Time before = executor.Now();
  const auto report = Push(delta, absl::Hours(1));
  EXPECT_TRUE(absl::IsUnavailable(report.status())) << report.status();
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("it is gone"));
  EXPECT_EQ(executor.Now() - before, absl::Seconds(10));
  EXPECT_TRUE(absl::IsUnavailable(Push(delta).status())) << "later calls fail at once";
}

TEST_F(ClientFaults, AFencedClientFailsForGood) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() == FrameType::kPush) {
      return connection.Refuse(absl::FailedPreconditionError("replaced by a newer incarnation"));
    }
    server.Behave(connection, frame);
  };
  CreateAndJoin();
  const auto report = Push(Counting(16));
  EXPECT_TRUE(absl::IsFailedPrecondition(report.status())) << report.status();
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("replaced by a newer incarnation"));
  executor.RunFor(absl::Minutes(5));
  EXPECT_THAT(server.attempts, SizeIs(1));
}

TEST_F(ClientFaults, ARefusalThatMayBeBetterLaterIsTriedAgain) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (connection.number() == 1) return connection.Refuse(absl::ResourceExhaustedError("full"));
    server.Behave(connection, frame);
  };
  Create();
  EXPECT_TRUE(Join().ok());
}

TEST_F(ClientFaults, GarbageClosesTheConnectionIsLoggedOnceAndTheClientGoesOn) {
  CreateAndJoin();
  server.last_connection->AnswerRaw(std::string(wire::kFrameHeaderBytes, 'x'), "garbage");
  executor.RunFor(absl::Seconds(5));
  EXPECT_THAT(server.attempts, SizeIs(2));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("magic")));
  EXPECT_TRUE(Push(Counting(16)).ok());
}

// Each of these answers a push with something that no server may send.
struct BadAnswer {
  const char* name;
  void (*answer)(FakeServer&, FakeConnection&, const Frame& push);
};

class BadAnswers : public ClientFaults, public ::testing::WithParamInterface<BadAnswer> {};

TEST_P(BadAnswers, BreakTheConnectionAndThePushIsCountedOverTheNextOne) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (connection.number() == 1 && frame.type() == FrameType::kPush) {
      return GetParam().answer(server, connection, frame);
    }
    server.Behave(connection, frame);
  };
  CreateAndJoin();
  const auto report = Push(Counting(16));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->applied, 4u);
  EXPECT_THAT(server.attempts, SizeIs(2));
}

wire::FrameHeader HeaderOf(FrameType type) {
  wire::FrameHeader header;
  header.type = static_cast<uint8_t>(type);
  return header;
}

INSTANTIATE_TEST_SUITE_P(
    Protocol, BadAnswers,
    ::testing::Values(BadAnswer{"AckOfNothingSent",
                                [](FakeServer&, FakeConnection& connection, const Frame&) {
                                  wire::FrameHeader ack = HeaderOf(FrameType::kPushAck);
                                  ack.sequence = 999;
                                  ack.verdict = static_cast<uint8_t>(wire::Verdict::kApplied);
                                  connection.Answer(ack, "");
                                }},
                      BadAnswer{"AckWithoutVerdict",
                                [](FakeServer&, FakeConnection& connection, const Frame& push) {
                                  wire::FrameHeader ack = HeaderOf(FrameType::kPushAck);
                                  ack.sequence = push.header.sequence;
                                  ack.fragment = push.header.fragment;
                                  connection.Answer(ack, "");
                                }},
                      BadAnswer{
                          "AckOfAnotherFragment",
                          [](FakeServer& server, FakeConnection& connection, const Frame& push) {
                            Frame other = push;
                            other.header.fragment = (push.header.fragment + 1) % 4;
                            server.Ack(connection, other, wire::Verdict::kApplied);
                          }},
                      BadAnswer{"AckWithPayload",
                                [](FakeServer&, FakeConnection& connection, const Frame& push) {
                                  wire::FrameHeader ack = HeaderOf(FrameType::kPushAck);
                                  ack.sequence = push.header.sequence;
                                  connection.Answer(ack, "surprise");
                                }},
                      BadAnswer{"FrameThatOnlyClientsSend",
                                [](FakeServer&, FakeConnection& connection, const Frame&) {
                                  connection.Answer(HeaderOf(FrameType::kHello), "");
                                }},
                      BadAnswer{"ReplyToNothingAsked",
                                [](FakeServer&, FakeConnection& connection, const Frame&) {
                                  connection.AnswerControl(FrameType::kReply, 12345,
                                                           wire::ControlReply());
                                }},
                      BadAnswer{"ReplyThatIsNoProtobuf",
                                [](FakeServer&, FakeConnection& connection, const Frame&) {
                                  wire::FrameHeader reply = HeaderOf(FrameType::kReply);
                                  reply.sequence = 1;
                                  connection.Answer(reply, "\xff\xff\xff");
                                }},
                      BadAnswer{"SecondWelcome", [](FakeServer& server, FakeConnection& connection,
                                                    const Frame&) { server.Welcome(connection); }},
                      BadAnswer{"PullReplyToNothingAsked",
                                [](FakeServer&, FakeConnection& connection, const Frame&) {
                                  wire::FrameHeader reply = HeaderOf(FrameType::kPullReply);
                                  reply.sequence = 77;
                                  connection.Answer(reply, "1234");
                                }},
                      BadAnswer{"OverlongRefusal",
                                [](FakeServer&, FakeConnection& connection, const Frame&) {
                                  connection.Answer(HeaderOf(FrameType::kRefuse),
                                                    std::string(kControlBytesMax + 1, ' '));
                                }},
                      BadAnswer{"HungUp",
                                [](FakeServer&, FakeConnection& connection, const Frame&) {
                                  connection.Close(absl::UnavailableError("died"));
                                }}),
    [](const auto& param) { return std::string(param.param.name); });

TEST_F(ClientFaults, APushCutOffInTheMiddleIsSentAgainWithTheSameBytesAndSequences) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (connection.number() == 1 && frame.type() == FrameType::kPush) {
      if (frame.header.sequence == 1) server.Ack(connection, frame, wire::Verdict::kApplied);
      if (frame.header.sequence == 3) {  // a little later, so that the acknowledgement gets through
        executor.PostAt(In(absl::Milliseconds(1)), [connection = server.last_connection] {
          connection->Close(absl::UnavailableError("died"));
        });
      }
      return;
    }
    server.Behave(connection, frame);
  };
  CreateAndJoin({.codec_up = "int8"});
  const auto report = Push(Counting(16));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->applied, 4u);
  std::map<uint64_t, std::string> first, second;
  std::vector<uint64_t> order;
  for (const Frame& push : server.Received(FrameType::kPush)) {
    (push.connection == 1 ? first : second)[push.header.sequence] = push.payload;
    if (push.connection == 2) order.push_back(push.header.sequence);
  }
  EXPECT_THAT(order, ElementsAre(2, 3, 4))
      << "what was acknowledged is not sent again, the rest in order";
  EXPECT_EQ(first.at(2), second.at(2));
  EXPECT_EQ(first.at(3), second.at(3));
}

TEST_F(ClientFaults, EveryPushCarriesTheFloorOfWhatIsAcknowledged) {
  CreateAndJoin();
  ASSERT_TRUE(Push(Counting(16)).ok());
  ASSERT_TRUE(Push(Counting(16)).ok());
  for (const Frame& push : server.Received(FrameType::kPush)) {
    EXPECT_GE(push.header.floor, push.header.sequence <= 4 ? 1u : 5u);
    EXPECT_LE(push.header.floor, push.header.sequence);
  }
}

TEST_F(ClientFaults, ASilentServerIsNoticedBeforeTheLeaseIsLost) {
  server.welcome.set_lease_ms(3000);
  CreateAndJoin();
  server.last_connection->FallSilent();
  const absl::Time before = executor.Now();
  const std::vector<float> delta = Counting(16);
  ASSERT_TRUE(Push(delta).ok());
  EXPECT_LT(executor.Now() - before, absl::Milliseconds(3000));
  EXPECT_THAT(server.attempts, SizeIs(2));
}

TEST_F(ClientFaults, HeartbeatsGoOutEveryThirdOfTheLeaseAndCarryTheStatus) {
  server.welcome.set_lease_ms(3000);
  CreateAndJoin();
  client->SetStatus({.inner_step = 42, .loss = 1.5});
  executor.RunFor(absl::Milliseconds(9500));
  const auto requests = server.Received(FrameType::kRequest);
  ASSERT_THAT(requests, SizeIs(9));
  wire::ControlRequest request;
  ASSERT_TRUE(request.ParseFromString(requests.back().payload));
  EXPECT_EQ(request.heartbeat().status().inner_step(), 42u);
  EXPECT_EQ(request.heartbeat().status().loss(), 1.5);
  EXPECT_THAT(server.attempts, SizeIs(1)) << "an idle connection with a living peer stays";
}

TEST_F(ClientFaults, AnIdleWorkerOnlyKeepsItsLeaseAndANewStatusGoesOutWithinASecond) {
  server.welcome.set_lease_ms(15000);
  CreateAndJoin();
  executor.RunFor(absl::Milliseconds(21500));
  EXPECT_THAT(server.Received(FrameType::kRequest), SizeIs(5)) << "at 1, 6, 11, 16 and 21 s";
  client->SetStatus({.inner_step = 7});
  executor.RunFor(absl::Seconds(1));
  const auto requests = server.Received(FrameType::kRequest);
  ASSERT_THAT(requests, SizeIs(6));
  wire::ControlRequest request;
  ASSERT_TRUE(request.ParseFromString(requests.back().payload));
  EXPECT_EQ(request.heartbeat().status().inner_step(), 7u);
  executor.RunFor(absl::Seconds(4));
  EXPECT_THAT(server.Received(FrameType::kRequest), SizeIs(6)) << "the status is no longer new";
}

TEST_F(ClientFaults, AnUnansweredAssignmentIsAskedAgainForTheSameCycle) {
  int answered = 0;
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kRequest) return server.Behave(connection, frame);
    if (connection.number() == 1) return connection.Close(absl::UnavailableError("died"));
    wire::ControlReply reply;
    reply.mutable_assignment()->set_inner_steps(10 + answered++);
    connection.AnswerControl(FrameType::kReply, frame.header.sequence, reply);
  };
  CreateAndJoin();
  for (uint32_t round = 0; round < 2; ++round) {
    std::optional<absl::StatusOr<Assignment>> result;
    client->NextAssignment(nullptr, In(absl::Minutes(1)),
                           [&](auto assignment) { result = assignment; });
    const auto assignment = Wait(result);
    ASSERT_TRUE(assignment.ok()) << assignment.status();
    EXPECT_EQ(assignment->inner_steps, 10 + round);
  }
  std::vector<uint64_t> cycles;
  for (const Frame& frame : server.Received(FrameType::kRequest)) {
    wire::ControlRequest request;
    ASSERT_TRUE(request.ParseFromString(frame.payload));
    cycles.push_back(request.assignment().cycle());
  }
  EXPECT_THAT(cycles, ElementsAre(0, 0, 1));
}

TEST_F(ClientFaults, CallsBeforeJoinAreRefused) {
  Create();
  EXPECT_TRUE(absl::IsFailedPrecondition(Push(Counting(16)).status()));
  std::vector<float> theta;
  EXPECT_TRUE(absl::IsFailedPrecondition(Pull(theta).status()));
}

TEST_F(ClientFaults, AnObserverMayNotPush) {
  CreateAndJoin({.observer = true});
  EXPECT_TRUE(absl::IsFailedPrecondition(Push(Counting(16)).status()));
  std::vector<float> theta;
  EXPECT_TRUE(Pull(theta).ok());
}

TEST_F(ClientFaults, CloseFailsEverythingPendingWithCancelled) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() == FrameType::kHello)
      server.Behave(connection, frame);  // and no other answer ever
  };
  CreateAndJoin();
  std::vector<std::string> ended;
  const auto note = [&ended](const char* what) {
    return [&ended, what](const auto& result) {
      if constexpr (std::is_same_v<std::decay_t<decltype(result)>, absl::Status>) {
        ended.push_back(absl::StrCat(what, " ", absl::StatusCodeToString(result.code())));
      } else {
        ended.push_back(absl::StrCat(what, " ", absl::StatusCodeToString(result.status().code())));
      }
    };
  };
  const std::vector<float> delta = Counting(16);
  std::vector<float> theta(16), merged(16);
  const absl::Time never = absl::InfiniteFuture();
  client->Push(delta, {}, never, note("push"));
  client->Pull(absl::MakeSpan(theta), {}, never, note("pull"));
  client->PushPull(delta, {}, absl::MakeSpan(merged), {}, never, note("push-pull"));
  client->NextAssignment(nullptr, never, note("assignment"));
  client->Stats(0, never, note("stats"));
  client->Snapshot(never, note("snapshot"));
  executor.RunFor(absl::Seconds(1));
  EXPECT_THAT(ended, IsEmpty());
  client->Close();
  EXPECT_THAT(ended, IsEmpty()) << "no completion inside the call";
  executor.RunFor(absl::Seconds(1));
  EXPECT_THAT(ended, ::testing::UnorderedElementsAre("push CANCELLED", "pull CANCELLED",
                                                     "push-pull CANCELLED", "assignment CANCELLED",
                                                     "stats CANCELLED", "snapshot CANCELLED"));
}

TEST_F(ClientFaults, ACloseDuringJoinEndsTheJoin) {
  server.on_connect = [](int) { return absl::UnavailableError("not there"); };
  Create();
  std::optional<absl::Status> joined;
  client->Join(absl::InfiniteFuture(), [&](absl::Status status) { joined = status; });
  executor.RunFor(absl::Seconds(1));
  client->Close();
  EXPECT_TRUE(absl::IsCancelled(Wait(joined)));
}

TEST_F(ClientFaults, LeavingSaysGoodbyeAndDoesNotComeBack) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    server.Behave(connection, frame);
    wire::ControlRequest request;
    if (frame.type() != FrameType::kRequest || !request.ParseFromString(frame.payload)) return;
    if (request.has_leave()) connection.Close(absl::UnavailableError("goodbye"));
  };
  CreateAndJoin();
  std::optional<absl::Status> left;
  client->Leave(In(absl::Seconds(5)), [&](absl::Status status) { left = status; });
  (void)Wait(left);
  executor.RunFor(absl::Minutes(2));
  wire::ControlRequest request;
  const auto requests = server.Received(FrameType::kRequest);
  ASSERT_THAT(requests, SizeIs(2));
  ASSERT_TRUE(request.ParseFromString(requests[0].payload));
  EXPECT_TRUE(request.has_heartbeat()) << "the last status comes before the goodbye";
  ASSERT_TRUE(request.ParseFromString(requests[1].payload));
  EXPECT_TRUE(request.has_leave());
  EXPECT_THAT(server.attempts, SizeIs(1));
}

TEST_F(ClientFaults, ADeadlineOfARequestIsKeptEvenIfTheServerNeverAnswers) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() == FrameType::kHello) server.Behave(connection, frame);
  };
  CreateAndJoin();
  std::optional<absl::StatusOr<ServerStats>> result;
  const absl::Time before = executor.Now();
  client->Stats(0, In(absl::Seconds(3)), [&](auto stats) { result = std::move(stats); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(Wait(result).status()));
  EXPECT_EQ(executor.Now() - before, absl::Seconds(3));
}

TEST_F(ClientFaults, OptionsThatCannotWorkAreRefusedWithTheFix) {
  const auto failure = [this](ClientOptions options) {
    return std::string(
        Client::Create(&runtime(), std::move(options), server.layout).status().message());
  };
  EXPECT_THAT(failure({}), HasSubstr("give one address per server"));
  EXPECT_THAT(failure({.servers = {"nothing://x"}}), HasSubstr("nothing"));
  EXPECT_THAT(failure({.servers = {"fake://x"}, .codec_up = "zip"}), HasSubstr("codec_up 'zip'"));
  EXPECT_THAT(failure({.servers = {"fake://x"}, .codec_down = "topk:density=0.1"}),
              HasSubstr("dense"));
  EXPECT_THAT(failure({.servers = {"fake://x"}, .worker = std::string(200, 'w')}),
              HasSubstr("128"));
  EXPECT_THAT(failure({.servers = {"fake://x"}, .residual_decay = 2}), HasSubstr("[0, 1]"));
  EXPECT_THAT(failure({.servers = {"fake://x"}, .momentum_correction = 1}), HasSubstr("below 1"));
  EXPECT_THAT(failure({.servers = {"fake://x"}, .codec_up = "int8", .momentum_correction = 0.9f}),
              HasSubstr("topk:density=0.01"));
  EXPECT_THAT(failure({.servers = {"fake://x"},
                       .codec_up = "topk:density=0.1",
                       .error_feedback = false,
                       .momentum_correction = 0.9f}),
              HasSubstr("needs error_feedback"));
}

}  // namespace
}  // namespace tideway::testing
