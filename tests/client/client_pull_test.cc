// Pulls: landing in place, damaged answers, deadlines, reading one's own writes.

#include "tests/client/fixture.h"

namespace tideway::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using wire::FrameType;

class ClientPull : public ClientTest {
 protected:
  ClientPull() { server.parameters = Counting(16, 100.0f); }

  wire::FrameHeader ReplyTo(const Frame& pull) const {
    wire::FrameHeader reply;
    reply.type = static_cast<uint8_t>(FrameType::kPullReply);
    reply.sequence = pull.header.sequence;
    reply.fragment = pull.header.fragment;
    reply.elements = pull.header.elements;
    reply.codec = kIdentityWireId;
    return reply;
  }
};

TEST_F(ClientPull, FillsTheDestinationAndReportsVersions) {
  server.versions = {{0, 3}, {1, 5}, {2, 4}, {3, 3}};
  CreateAndJoin();
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, server.parameters);
  EXPECT_EQ(report->version_min, 3u);
  EXPECT_EQ(report->version_max, 5u);
  EXPECT_EQ(report->bytes, 64u);
  EXPECT_EQ(report->bytes_fp32, 64u);
}

TEST_F(ClientPull, DecodesALossyCodecIntoTheDestination) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull) return server.Behave(connection, frame);
    const auto codec = runtime().codecs().Create("bf16");
    const FragmentSpec& spec = server.layout.fragments()[frame.header.fragment];
    std::string bytes((*codec)->Bound(spec.elements), '\0');
    const auto size =
        (*codec)->Encode(absl::MakeConstSpan(server.parameters).subspan(spec.offset, spec.elements),
                         {}, {}, {reinterpret_cast<std::byte*>(bytes.data()), bytes.size()});
    bytes.resize(*size);
    wire::FrameHeader reply = ReplyTo(frame);
    reply.codec = (*codec)->info().wire_id;
    EXPECT_EQ(frame.header.codec, reply.codec) << "the pull names the codec that it wants";
    connection.Answer(reply, bytes);
  };
  CreateAndJoin({.codec_down = "bf16"});
  std::vector<float> theta(16, -1.0f);
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, server.parameters) << "small whole numbers are exact in bf16";
  EXPECT_LT(report->bytes, report->bytes_fp32);
}

TEST_F(ClientPull, ADamagedAnswerIsAskedForAgain) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull || connection.number() > 1)
      return server.Behave(connection, frame);
    wire::FrameHeader reply = ReplyTo(frame);
    reply.payload_bytes = 16;
    reply.payload_hash = 12345;  // not that of the payload
    std::string header(wire::kFrameHeaderBytes, '\0');
    wire::WriteHeader(reply, {reinterpret_cast<std::byte*>(header.data()), header.size()});
    connection.AnswerRaw(header, std::string(16, 'z'));
  };
  CreateAndJoin();
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_EQ(theta, server.parameters);
  EXPECT_THAT(server.attempts, SizeIs(2));
}

TEST_F(ClientPull, AnAnswerOfAnotherLengthFragmentOrCodecBreaksTheConnection) {
  int kind = 0;
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull || connection.number() > 3)
      return server.Behave(connection, frame);
    wire::FrameHeader reply = ReplyTo(frame);
    size_t bytes = 16;
    switch (connection.number()) {
      case 1:
        bytes = 12;
        break;
      case 2:
        reply.fragment ^= 1;
        break;
      case 3:
        reply.codec = 200;
        break;
    }
    kind = connection.number();
    connection.Answer(reply, std::string(bytes, '\0'));
  };
  CreateAndJoin();
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_EQ(theta, server.parameters);
  EXPECT_EQ(kind, 3);
  EXPECT_THAT(server.attempts, SizeIs(4));
}

TEST_F(ClientPull, AFailedPullTellsTheServersReason) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull || frame.header.fragment != 2)
      return server.Behave(connection, frame);
    wire::FrameHeader reply = ReplyTo(frame);
    reply.flags = wire::kFlagFailed;
    connection.Answer(
        reply, wire::ToProto(absl::NotFoundError("window 9 is forgotten")).SerializeAsString());
  };
  CreateAndJoin();
  std::vector<float> theta;
  const auto report = Pull(theta, absl::Minutes(1), 9);
  EXPECT_TRUE(absl::IsNotFound(report.status())) << report.status();
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("window 9 is forgotten"));
  EXPECT_THAT(server.attempts, SizeIs(1)) << "the connection is healthy";
}

TEST_F(ClientPull, ADeadlineDuringArrivalFreesTheDestinationFirst) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull || connection.number() > 1)
      return server.Behave(connection, frame);
    connection.AnswerHalf(ReplyTo(frame), 16);
  };
  CreateAndJoin();
  std::vector<float> theta;
  EXPECT_TRUE(absl::IsDeadlineExceeded(Pull(theta, absl::Seconds(1)).status()));
  // The only way to take memory back from a transport is to close the connection.
  executor.RunFor(absl::Seconds(1));
  EXPECT_THAT(server.attempts, SizeIs(2));
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_EQ(theta, server.parameters);
}

TEST_F(ClientPull, AnAnswerAfterTheDeadlineIsDroppedAndTouchesNothing) {
  std::vector<Frame> held;
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() == FrameType::kPull) return held.push_back(frame);
    server.Behave(connection, frame);
  };
  CreateAndJoin();
  std::vector<float> theta(16, -7.0f);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Pull(theta, absl::Seconds(1)).status()));
  for (const Frame& pull : held) server.AnswerPull(*server.last_connection, pull);
  executor.RunFor(absl::Seconds(1));
  EXPECT_THAT(theta, Each(-7.0f));
  EXPECT_THAT(server.attempts, SizeIs(1)) << "a late answer is no fault";
}

TEST_F(ClientPull, AsksForItsOwnWrites) {
  server.versions = {{0, 10}, {1, 20}, {2, 30}, {3, 40}};
  CreateAndJoin();
  const std::vector<float> delta(16, 1.0f);
  std::vector<float> theta(16);
  std::optional<absl::StatusOr<Client::PushPullReport>> result;
  client->PushPull(delta, {}, absl::MakeSpan(theta), {}, In(absl::Minutes(1)),
                   [&](auto report) { result = std::move(report); });
  const auto report = Wait(result);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->push.applied, 4u);
  EXPECT_EQ(theta, server.parameters);
  for (const Frame& pull : server.Received(FrameType::kPull)) {
    EXPECT_EQ(pull.header.base_version, 10 * (pull.header.fragment + 1) + 1);
  }
}

TEST_F(ClientPull, AWindowIsPulledAsItWas) {
  CreateAndJoin();
  ASSERT_TRUE(Push(Counting(16)).ok());
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta, absl::Minutes(1), 4).ok());
  for (const Frame& pull : server.Received(FrameType::kPull)) {
    EXPECT_EQ(pull.header.window, 4u);
    EXPECT_EQ(pull.header.base_version, 0u);
  }
}

TEST_F(ClientPull, AnUnansweredPullIsAskedAgainOverTheNextConnection) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (connection.number() == 1 && frame.type() == FrameType::kPull &&
        frame.header.fragment == 2) {
      return connection.Close(absl::UnavailableError("died"));
    }
    server.Behave(connection, frame);
  };
  CreateAndJoin();
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_EQ(theta, server.parameters);
}

TEST_F(ClientPull, PullsInFlightStayWithinWhatTheServerAllows) {
  server.welcome.set_pulls_in_flight_max(4);
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull) server.Behave(connection, frame);
  };
  CreateAndJoin();
  std::vector<float> theta;
  EXPECT_TRUE(absl::IsDeadlineExceeded(Pull(theta, absl::Seconds(1)).status()));
  EXPECT_THAT(server.Received(FrameType::kPull), SizeIs(2))
      << "half, as the server may count later than we do";
}

}  // namespace
}  // namespace tideway::testing
