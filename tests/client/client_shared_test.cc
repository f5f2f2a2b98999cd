// Deltas in shared memory: when the server reads them where they lie, and what becomes of the memory when a push gives up.

#include <algorithm>
#include <optional>

#include "core/runtime/shared_block.h"
#include "tests/client/fixture.h"
#include "tideway/shared_vector.h"

namespace tideway::testing {
namespace {

using ::testing::SizeIs;
using wire::FrameType;

class ClientShared : public ClientTest {
 protected:
  ClientShared() {
    server.in_memory = true;
    server.welcome.set_unhashed(true);
    server.welcome.set_maps_memory(true);
  }

  void MakeDelta() {
    auto made = client->NewDelta();
    ASSERT_TRUE(made.ok()) << made.status();
    delta = *std::move(made);
    ASSERT_THAT(delta->span(), SizeIs(16));
    std::iota(delta->span().begin(), delta->span().end(), 1.0f);
  }

  absl::StatusOr<PushReport> PushShared(absl::Duration timeout = absl::Minutes(5)) {
    std::optional<absl::StatusOr<PushReport>> result;
    client->Push(delta->span(), {}, In(timeout),
                 [&](absl::StatusOr<PushReport> report) { result = std::move(report); });
    return Wait(result);
  }

  // The pushes since the last call: how many carried their payload, and how many did not.
  std::pair<size_t, size_t> CountPushes() {
    std::pair<size_t, size_t> counts;
    const auto pushes = server.Received(FrameType::kPush);
    for (size_t i = seen_; i < pushes.size(); ++i) {
      const bool shared = (pushes[i].header.flags & wire::kFlagShared) != 0;
      EXPECT_EQ(pushes[i].payload.size(), shared ? 0u : 16u);
      if (shared) {
        EXPECT_EQ(wire::SharedPlaceOf(pushes[i].header).offset, 16 * pushes[i].header.fragment);
      }
      ++(shared ? counts.second : counts.first);
    }
    seen_ = pushes.size();
    return counts;
  }

  std::vector<wire::ShareRequest> Asked() {
    std::vector<wire::ShareRequest> asked;
    for (const Frame& frame : server.Received(FrameType::kRequest)) {
      wire::ControlRequest request;
      EXPECT_TRUE(request.ParseFromString(frame.payload));
      if (request.has_share()) asked.push_back(request.share());
    }
    return asked;
  }

  static absl::StatusOr<std::shared_ptr<const SharedMapping>> Map(const wire::ShareRequest& share) {
    return SharedMapping::Open(
        {.pid = share.pid(), .file = share.file(), .bytes = share.bytes(), .nonce = share.nonce()});
  }

  std::optional<SharedVector> delta;

 private:
  size_t seen_ = 0;
};

using Counts = std::pair<size_t, size_t>;

TEST_F(ClientShared, OnceTheServerHasMappedTheMemoryPushesCarryNoPayload) {
  CreateAndJoin();
  MakeDelta();
  ASSERT_TRUE(PushShared().ok());
  EXPECT_EQ(CountPushes(), Counts(4, 0)) << "the server is asked first";
  ASSERT_THAT(Asked(), SizeIs(1));
  for (int i = 0; i < 3; ++i) {
    const auto report = PushShared();
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->bytes, 64u);
    EXPECT_EQ(CountPushes(), Counts(0, 4));
  }
  EXPECT_THAT(Asked(), SizeIs(1));
  const auto mapping = Map(Asked()[0]);
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  EXPECT_EQ(std::memcmp((*mapping)->span().data(), delta->span().data(), 64), 0);
}

TEST_F(ClientShared, OtherMemoryIsPushedAsEver) {
  CreateAndJoin();
  MakeDelta();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(Push(Counting(16)).ok());
  EXPECT_EQ(CountPushes(), Counts(8, 0));
  EXPECT_THAT(Asked(), SizeIs(0));
}

TEST_F(ClientShared, ALossyCodecSendsWhatItHasMade) {
  CreateAndJoin({.codec_up = "bf16"});
  MakeDelta();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(PushShared().ok());
  for (const Frame& push : server.Received(FrameType::kPush)) EXPECT_THAT(push.payload, SizeIs(8));
}

TEST_F(ClientShared, AServerThatCannotMapItIsAskedOnceOverAConnection) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kRequest) return server.Behave(connection, frame);
    wire::ControlReply reply;
    *reply.mutable_error() = wire::ToProto(absl::UnavailableError("another container"));
    connection.AnswerControl(FrameType::kReply, frame.header.sequence, reply);
  };
  CreateAndJoin();
  MakeDelta();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(PushShared().ok());
  EXPECT_EQ(CountPushes(), Counts(12, 0));
  EXPECT_THAT(Asked(), SizeIs(1));
}

TEST_F(ClientShared, NothingIsSharedUnlessTheWelcomeOffersItWithinMemory) {
  server.welcome.set_maps_memory(false);
  CreateAndJoin();
  MakeDelta();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(PushShared().ok());
  EXPECT_THAT(Asked(), SizeIs(0));
  Drop();
  delta.reset();
  server.welcome.set_maps_memory(true);
  server.in_memory = false;
  CreateAndJoin();
  MakeDelta();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(PushShared().ok());
  EXPECT_THAT(Asked(), SizeIs(0));
}

TEST_F(ClientShared, APushThatGivesUpLeavesItsMemoryToTheServer) {
  bool answers = true;
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPush || answers) server.Behave(connection, frame);
  };
  CreateAndJoin();
  MakeDelta();
  ASSERT_TRUE(PushShared().ok());
  const auto mapping = Map(Asked().at(0));
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  answers = false;
  EXPECT_TRUE(absl::IsDeadlineExceeded(PushShared(absl::Seconds(1)).status()));
  std::fill(delta->span().begin(), delta->span().end(), 99.0f);  // it is the user's again
  const std::vector<float> pushed = Counting(16);
  EXPECT_EQ(std::memcmp((*mapping)->span().data(), pushed.data(), 64), 0)
      << "the server reads what was pushed, however late";
  answers = true;
  CountPushes();
  ASSERT_TRUE(PushShared().ok());
  EXPECT_EQ(CountPushes(), Counts(4, 0)) << "the server does not know the new memory";
  ASSERT_TRUE(PushShared().ok());
  EXPECT_EQ(CountPushes(), Counts(0, 4));
  EXPECT_THAT(Asked(), SizeIs(2));
}

TEST_F(ClientShared,
       WhatWasNotAcknowledgedLeavesWithItsPayloadOverAConnectionThatIsNotWithinMemory) {
  bool first_push = true;
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (connection.number() > 1 || frame.type() != FrameType::kPush || first_push) {
      return server.Behave(connection, frame);
    }
    server.in_memory = false;
    server.welcome.set_unhashed(false);
    connection.Close(absl::UnavailableError("died"));
  };
  CreateAndJoin();
  MakeDelta();
  ASSERT_TRUE(PushShared().ok());
  first_push = false;
  CountPushes();
  const auto report = PushShared();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->applied, 4u);
  size_t payloads = 0;
  for (const Frame& push : server.Received(FrameType::kPush)) {
    if (push.connection != 2) continue;
    ++payloads;
    EXPECT_EQ(push.header.flags, 0);
    EXPECT_EQ(std::memcmp(push.payload.data(), delta->span().data() + 4 * push.header.fragment, 16),
              0);
  }
  EXPECT_EQ(payloads, 4u);
}

TEST_F(ClientShared, AnOfferThatWasNotAnsweredIsNotMadeAgainOverTheNextConnection) {
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (connection.number() > 1 || frame.type() != FrameType::kRequest) {
      return server.Behave(connection, frame);
    }
    server.in_memory = false;
    server.welcome.set_unhashed(false);
    server.welcome.set_maps_memory(false);
    connection.Close(absl::UnavailableError("died"));
  };
  CreateAndJoin();
  MakeDelta();
  ASSERT_TRUE(PushShared().ok());
  ASSERT_TRUE(PushShared().ok());
  EXPECT_THAT(Asked(), SizeIs(1));
}

TEST_F(ClientShared, AClientHasEightSharedDeltasAndOneMoreWhenOneHasGone) {
  CreateAndJoin();
  std::vector<SharedVector> deltas;
  for (size_t i = 0; i < kSharedBlocksMax; ++i) {
    auto made = client->NewDelta();
    ASSERT_TRUE(made.ok()) << made.status();
    deltas.push_back(*std::move(made));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(client->NewDelta().status()));
  deltas.pop_back();
  EXPECT_TRUE(client->NewDelta().ok());
}

}  // namespace
}  // namespace tideway::testing
