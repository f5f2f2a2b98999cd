// Payloads that go without a hash: only over a connection within the host's memory, and only if the server agrees.

#include <string>

#include "core/wire/frame.h"
#include "tests/client/fixture.h"

namespace tideway::testing {
namespace {

using ::testing::SizeIs;
using wire::FrameType;

uint64_t HashOf(const std::string& payload) {
  return wire::HashPayload({reinterpret_cast<const std::byte*>(payload.data()), payload.size()});
}

class ClientUnhashed : public ClientTest, public ::testing::WithParamInterface<std::string> {
 protected:
  void ExpectPushes(size_t count, int connection, bool unhashed) {
    size_t found = 0;
    for (const Frame& push : server.Received(FrameType::kPush)) {
      if (push.connection != connection) continue;
      ++found;
      EXPECT_EQ(push.header.flags, unhashed ? wire::kFlagUnhashed : 0);
      EXPECT_EQ(push.header.payload_hash, unhashed ? 0 : HashOf(push.payload));
    }
    EXPECT_EQ(found, count);
  }
};

TEST_P(ClientUnhashed, APushGetsItsHashWhenItLeavesOverAConnectionThatWantsOne) {
  server.in_memory = true;
  server.welcome.set_unhashed(true);
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (connection.number() > 1 || frame.type() != FrameType::kPush) {
      return server.Behave(connection, frame);
    }
    if (frame.header.sequence < 4) return;
    server.in_memory = false;
    server.welcome.set_unhashed(false);
    connection.Close(absl::UnavailableError("died"));
  };
  CreateAndJoin({.codec_up = GetParam()});
  const auto report = Push(Counting(16));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->applied, 4u);
  ExpectPushes(4, /*connection=*/1, /*unhashed=*/true);
  ExpectPushes(4, /*connection=*/2, /*unhashed=*/false);
}

TEST_P(ClientUnhashed, AWelcomeIsNotBelievedOverAConnectionThatIsNotWithinMemory) {
  server.welcome.set_unhashed(true);
  CreateAndJoin({.codec_up = GetParam()});
  ASSERT_TRUE(Push(Counting(16)).ok());
  ExpectPushes(4, /*connection=*/1, /*unhashed=*/false);
}

TEST_P(ClientUnhashed, AServerThatDoesNotAgreeGetsHashes) {
  server.in_memory = true;
  CreateAndJoin({.codec_up = GetParam()});
  ASSERT_TRUE(Push(Counting(16)).ok());
  ExpectPushes(4, /*connection=*/1, /*unhashed=*/false);
  const auto hellos = server.Received(FrameType::kHello);
  ASSERT_THAT(hellos, SizeIs(1));
  wire::Hello hello;
  ASSERT_TRUE(hello.ParseFromString(hellos[0].payload));
  EXPECT_TRUE(hello.unhashed());
}

TEST_P(ClientUnhashed, AnAnswerWithoutAHashThatWasNotAgreedOnEndsTheConnection) {
  server.parameters = Counting(16);
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (connection.number() > 1 || frame.type() != FrameType::kPull) {
      return server.Behave(connection, frame);
    }
    wire::FrameHeader reply;
    reply.type = static_cast<uint8_t>(FrameType::kPullReply);
    reply.flags = wire::kFlagUnhashed;
    reply.session = frame.header.session;
    reply.sequence = frame.header.sequence;
    reply.fragment = frame.header.fragment;
    reply.elements = frame.header.elements;
    reply.payload_bytes = 16;
    std::string header(wire::kFrameHeaderBytes, '\0');
    wire::WriteHeader(reply, {reinterpret_cast<std::byte*>(header.data()), header.size()});
    connection.AnswerRaw(std::move(header), std::string(16, '\0'));
  };
  CreateAndJoin({.codec_up = GetParam()});
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_EQ(theta, Counting(16));
  EXPECT_THAT(server.attempts, SizeIs(2));
}

INSTANTIATE_TEST_SUITE_P(Codecs, ClientUnhashed, ::testing::Values("identity", "int8"),
                         [](const auto& codec) { return codec.param; });

}  // namespace
}  // namespace tideway::testing
