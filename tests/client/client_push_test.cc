// Pushes: credit, versions, the residual's rules, and what a deadline leaves behind.

#include <cstring>
#include <limits>
#include <random>

#include "tests/client/fixture.h"

namespace tideway::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using wire::FrameType;
using wire::Verdict;

class ClientPush : public ClientTest {
 protected:
  // Adds what a push frame carries to `sum`.
  void Decode(const Frame& push, std::vector<float>& sum) {
    auto codec = runtime().codecs().CreateForWireId(push.header.codec);
    ASSERT_TRUE(codec.ok());
    const FragmentSpec& spec = server.layout.fragments()[push.header.fragment];
    const absl::Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(push.payload.data()),
                                            push.payload.size());
    ASSERT_TRUE(
        (*codec)
            ->DecodeAdd(bytes, 1.0f, absl::MakeSpan(sum).subspan(spec.offset, spec.elements))
            .ok());
  }
};

TEST_F(ClientPush, TheReportCountsFragmentsVerdictsAndBytes) {
  const Verdict verdicts[] = {Verdict::kApplied, Verdict::kBuffered, Verdict::kRejected,
                              Verdict::kApplied};
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPush) return server.Behave(connection, frame);
    server.Ack(connection, frame, verdicts[frame.header.fragment]);
  };
  CreateAndJoin();
  const auto report = Push(Counting(16));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->fragments, 4u);
  EXPECT_EQ(report->applied, 2u);
  EXPECT_EQ(report->buffered, 1u);
  EXPECT_EQ(report->rejected, 1u);
  EXPECT_EQ(report->bytes, 64u);
  EXPECT_EQ(report->bytes_fp32, 64u);
}

TEST_F(ClientPush, FramesCarryWhatTheServerNeedsToKnow) {
  CreateAndJoin();
  ASSERT_TRUE(Push(Counting(16)).ok());
  const auto pushes = server.Received(FrameType::kPush);
  ASSERT_THAT(pushes, SizeIs(4));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(pushes[i].header.sequence, i + 1);
    EXPECT_EQ(pushes[i].header.fragment, i);
    EXPECT_EQ(pushes[i].header.elements, 4u);
    EXPECT_EQ(pushes[i].header.inner_steps, 7u);
    EXPECT_EQ(pushes[i].header.session, 1u);
  }
  std::vector<float> sum(16, 0.0f);
  for (const Frame& push : pushes) Decode(push, sum);
  EXPECT_EQ(sum, Counting(16));
}

TEST_F(ClientPush, BaseVersionsAreThoseOfTheLastCompletedPullWhenPushWasCalled) {
  CreateAndJoin();
  server.versions = {{0, 10}, {1, 20}, {2, 30}, {3, 40}};
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  const auto report = Push(Counting(16));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->staleness_max, 0u);
  std::map<uint32_t, uint64_t> bases;
  for (const Frame& push : server.Received(FrameType::kPush))
    bases[push.header.fragment] = push.header.base_version;
  EXPECT_THAT(bases,
              ElementsAre(std::pair(0, 10), std::pair(1, 20), std::pair(2, 30), std::pair(3, 40)));
}

TEST_F(ClientPush, StalenessIsTheVersionBeforeItMinusTheVersionItStartedFrom) {
  CreateAndJoin();
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  server.versions[2] = 5;  // others pushed five times
  const auto report = Push(Counting(16));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->staleness_max, 5u);
}

TEST_F(ClientPush, BytesInFlightStayWithinTheCreditThatTheServerGrants) {
  server.welcome.set_credit_bytes(40);  // two fragments of 16 bytes
  std::vector<Frame> held;
  size_t most = 0;
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPush) return server.Behave(connection, frame);
    held.push_back(frame);
    most = std::max(most, held.size());
    executor.PostAt(In(absl::Milliseconds(10)), [&] {
      server.Ack(*server.last_connection, held.front(), Verdict::kApplied);
      held.erase(held.begin());
    });
  };
  CreateAndJoin();
  ASSERT_TRUE(Push(Counting(16)).ok());
  EXPECT_EQ(most, 2u);
}

TEST_F(ClientPush, TheNumberOfPushesInFlightStaysWithinWhatTheServerAllows) {
  server.welcome.set_pushes_in_flight_max(3);
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPush) server.Behave(connection, frame);
  };
  CreateAndJoin();
  const std::vector<float> kept = Counting(16);
  client->Push(kept, {}, In(absl::Seconds(5)), [](auto) {});
  client->Push(kept, {}, In(absl::Seconds(5)), [](auto) {});
  executor.RunFor(absl::Seconds(1));
  EXPECT_THAT(server.Received(FrameType::kPush), SizeIs(3));
  executor.RunFor(absl::Seconds(10));
}

TEST_F(ClientPush, ANaNIsNamedNothingIsSentAndTheResidualStays) {
  CreateAndJoin({.codec_up = "int8"});
  ASSERT_TRUE(Push(Counting(16, 0.3f)).ok());
  const std::vector<float> before = client->residual();
  const size_t frames = server.frames.size();
  for (float poison :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> delta = Counting(16);
    delta[11] = poison;
    const auto report = Push(delta);
    EXPECT_TRUE(absl::IsInvalidArgument(report.status()));
    EXPECT_THAT(std::string(report.status().message()), HasSubstr("tensor 'second'"));
    EXPECT_THAT(std::string(report.status().message()), HasSubstr("element 11"));
  }
  EXPECT_EQ(server.frames.size(), frames);
  EXPECT_EQ(client->residual(), before);
}

TEST_F(ClientPush, AWrongLengthIsRefused) {
  CreateAndJoin();
  EXPECT_TRUE(absl::IsInvalidArgument(Push(Counting(15)).status()));
}

TEST_F(ClientPush, ARejectedPushReturnsToTheResidualAndGoesOutWithTheNextOne) {
  bool reject = true;
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPush) return server.Behave(connection, frame);
    server.Ack(connection, frame, reject ? Verdict::kRejected : Verdict::kApplied);
  };
  CreateAndJoin();
  ASSERT_TRUE(Push(Counting(16)).ok());
  EXPECT_EQ(client->residual(), Counting(16));
  reject = false;
  server.frames.clear();
  ASSERT_TRUE(Push(std::vector<float>(16, 1.0f)).ok());
  std::vector<float> sum(16, 0.0f);
  for (const Frame& push : server.Received(FrameType::kPush)) Decode(push, sum);
  EXPECT_EQ(sum, Counting(16, 2.0f));
  EXPECT_EQ(client->residual(), std::vector<float>(16, 0.0f));
}

TEST_F(ClientPush, ARejectedPushIsDroppedWhereThatWasAskedFor) {
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPush) return server.Behave(connection, frame);
    server.Ack(connection, frame, Verdict::kRejected);
  };
  CreateAndJoin({.keep_rejected = false});
  ASSERT_TRUE(Push(Counting(16)).ok());
  EXPECT_THAT(client->residual(), IsEmpty());
}

TEST_F(ClientPush, ALosslessCodecThatIsNeverRejectedKeepsNoResidual) {
  CreateAndJoin();
  ASSERT_TRUE(Push(Counting(16)).ok());
  EXPECT_THAT(client->residual(), IsEmpty());
}

// Random verdicts, lost connections and duplicates: whatever happens, what the server counted and what the client still
// holds add up to what was pushed. Deltas are whole numbers and the codec drops whole elements, so the sums are exact.
TEST_F(ClientPush, AppliedPlusResidualEqualsPushedThroughRejectionsAndCrashes) {
  const uint64_t seed = 20240611;
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  std::vector<float> applied(16, 0.0f), pushed(16, 0.0f);
  std::map<uint64_t, Verdict> counted;  // by sequence
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPush) return server.Behave(connection, frame);
    if (random() % 16 == 0)
      return connection.Close(absl::UnavailableError("lost before it counted"));
    auto known = counted.find(frame.header.sequence);
    if (known == counted.end()) {
      const Verdict verdict = random() % 3 == 0   ? Verdict::kRejected
                              : random() % 2 == 0 ? Verdict::kBuffered
                                                  : Verdict::kApplied;
      known = counted.emplace(frame.header.sequence, verdict).first;
      if (verdict != Verdict::kRejected) Decode(frame, applied);
    }
    if (random() % 16 == 0)
      return connection.Close(absl::UnavailableError("lost before the answer"));
    server.Ack(connection, frame, known->second);
  };
  CreateAndJoin({.codec_up = "topk:density=0.5,values=fp32"});
  for (int round = 0; round < 200; ++round) {
    std::vector<float> delta(16);
    for (float& value : delta) value = static_cast<float>(static_cast<int>(random() % 201) - 100);
    for (size_t i = 0; i < 16; ++i) pushed[i] += delta[i];
    ASSERT_TRUE(Push(delta).ok());
  }
  const std::vector<float> residual = client->residual();
  ASSERT_THAT(residual, SizeIs(16));
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(applied[i] + residual[i], pushed[i]) << "element " << i;
  EXPECT_GT(server.attempts.size(), 20u) << "the seed must lose connections";
}

TEST_F(ClientPush, AtTheDeadlineWhatIsUnsentReturnsToTheResidual) {
  server.welcome.set_credit_bytes(16);  // one fragment
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPush) server.Behave(connection, frame);
  };
  CreateAndJoin();
  const absl::Time before = executor.Now();
  const auto report = Push(Counting(16), absl::Seconds(2));
  EXPECT_TRUE(absl::IsDeadlineExceeded(report.status())) << report.status();
  EXPECT_EQ(executor.Now() - before, absl::Seconds(2));
  ASSERT_THAT(server.Received(FrameType::kPush), SizeIs(1));
  std::vector<float> sum = client->residual();
  ASSERT_THAT(sum, SizeIs(16));
  EXPECT_EQ(sum[0], 0.0f) << "the fragment that was sent may have been applied";
  Decode(server.Received(FrameType::kPush)[0], sum);
  EXPECT_EQ(sum, Counting(16));
}

TEST_F(ClientPush, WhatWasSentBeforeTheDeadlineIsStillDeliveredAndItsRejectionHeeded) {
  std::vector<Frame> held;
  server.on_frame = [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPush) return server.Behave(connection, frame);
    held.push_back(frame);
  };
  CreateAndJoin();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Push(Counting(16), absl::Seconds(2)).status()));
  EXPECT_THAT(client->residual(), IsEmpty());
  ASSERT_THAT(held, SizeIs(4));
  for (const Frame& push : held) server.Ack(*server.last_connection, push, Verdict::kRejected);
  executor.RunFor(absl::Seconds(1));
  EXPECT_EQ(client->residual(), Counting(16));
}

TEST_F(ClientPush, PushesLeaveInTheOrderOfTheCalls) {
  CreateAndJoin();
  const std::vector<float> one(16, 1.0f), two(16, 2.0f), three(16, 3.0f);
  int done = 0;
  for (const auto* delta : {&one, &two, &three}) {
    client->Push(*delta, {}, In(absl::Minutes(1)),
                 [&done](auto report) { done += report.ok() ? 1 : 0; });
  }
  executor.RunFor(absl::Seconds(1));
  EXPECT_EQ(done, 3);
  const auto pushes = server.Received(FrameType::kPush);
  ASSERT_THAT(pushes, SizeIs(12));
  for (size_t i = 0; i < 12; ++i) {
    float first = 0;
    std::memcpy(&first, pushes[i].payload.data(), sizeof(first));
    EXPECT_EQ(first, static_cast<float>(1 + i / 4));
  }
}

TEST_F(ClientPush, TheResidualCanBeTakenToAnotherLife) {
  CreateAndJoin({.codec_up = "topk:density=0.25,values=fp32"});
  ASSERT_TRUE(Push(Counting(16)).ok());
  const std::vector<float> residual = client->residual();
  ASSERT_THAT(residual, SizeIs(16));
  Drop();
  Create({.codec_up = "topk:density=0.25,values=fp32"});
  ASSERT_TRUE(client->SetResidual(residual).ok());
  EXPECT_EQ(client->residual(), residual);
  EXPECT_TRUE(absl::IsInvalidArgument(client->SetResidual(Counting(3))));
}

}  // namespace
}  // namespace tideway::testing
