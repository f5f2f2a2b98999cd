// Pulls by differences: what a client asks, how it takes an answer, and what a server may not make it do.

#include "core/client/pulled_copies.h"
#include "core/wire/chain_frames.h"
#include "core/wire/difference.h"
#include "tests/client/fixture.h"

namespace tideway::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using wire::FrameType;

std::string TextOf(absl::Span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

class ClientDifferences : public ClientTest {
 protected:
  static constexpr uint64_t kChain = 77;

  // Fragments of 64 floats: a row of differences is smaller than they are.
  ClientDifferences()
      : ClientTest(1, *Layout::Create({{"w", {256}}}, {.fragment_bytes_max = 256})) {
    server.parameters = Counting(256, 100.0f);
    published_ = server.parameters;
    codec_ = *BuiltinCodecs().Create("int8");
    server.welcome.set_pull_differences(codec_->info().spec);
    server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
      if (frame.type() != FrameType::kPull) return server.Behave(connection, frame);
      AnswerPull(connection, frame);
    };
  }

  Client& CreateWithDifferences() { return CreateAndJoin({.pull_differences = "int8"}); }

  absl::Span<float> Part(std::vector<float>& values, uint32_t fragment) const {
    const FragmentSpec& spec = server.layout.fragments()[fragment];
    return absl::MakeSpan(values).subspan(spec.offset, spec.elements);
  }

  static wire::FrameHeader ReplyTo(const Frame& pull) {
    wire::FrameHeader reply;
    reply.type = static_cast<uint8_t>(FrameType::kPullReply);
    reply.sequence = pull.header.sequence;
    reply.fragment = pull.header.fragment;
    reply.elements = pull.header.elements;
    reply.codec = kIdentityWireId;
    return reply;
  }

  // The server's published copy moves on to the parameters, as one link that clients at version_ can use.
  void Publish() {
    links_.clear();
    for (uint32_t fragment = 0; fragment < 4; ++fragment) {
      auto bytes = wire::EncodeDifference(*codec_, Part(published_, fragment),
                                          Part(server.parameters, fragment));
      links_.push_back(*bytes);
      ASSERT_TRUE(wire::ApplyDifference(*codec_, links_.back(), Part(published_, fragment)).ok());
    }
    ++version_;
  }

  void AnswerPull(FakeConnection& connection, const Frame& pull) {
    const wire::ChainPosition held = wire::HeldOf(pull.header);
    if (held == wire::ChainPosition{kChain, version_ - 1}) {
      return AnswerByDifferences(connection, pull);
    }
    AnswerWithAnchor(connection, pull);
  }

  void AnswerWithAnchor(FakeConnection& connection, const Frame& pull) {
    wire::FrameHeader reply = ReplyTo(pull);
    wire::SetReached({kChain, version_}, reply);
    const auto values = Part(published_, pull.header.fragment);
    connection.Answer(reply, std::string(reinterpret_cast<const char*>(values.data()),
                                         values.size() * sizeof(float)));
  }

  wire::FrameHeader DifferencesReplyTo(const Frame& pull) const {
    wire::FrameHeader reply = ReplyTo(pull);
    reply.flags = wire::kFlagDifferences;
    reply.codec = codec_->info().wire_id;
    wire::SetReached({kChain, version_}, reply);
    wire::SetStart(version_ - 1, reply);
    return reply;
  }

  std::string Row(uint32_t fragment) {
    return TextOf(
        wire::PackDifferences({.result_hash = wire::HashValues(Part(published_, fragment)),
                               .links = {links_[fragment]}}));
  }

  void AnswerByDifferences(FakeConnection& connection, const Frame& pull) {
    connection.Answer(DifferencesReplyTo(pull), Row(pull.header.fragment));
  }

  // A first pull, which brings the anchors, and a server that has moved on.
  void PullAndMoveOn() {
    std::vector<float> theta;
    const auto report = Pull(theta);
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_EQ(theta, published_);
    EXPECT_EQ(report->differences, 0u);
    for (size_t i = 0; i < server.parameters.size(); ++i) {
      server.parameters[i] += 0.013f * static_cast<float>(i % 17);
    }
    Publish();
  }

  // What the client asked last: one position for each fragment.
  std::vector<wire::ChainPosition> LastHeld() const {
    std::vector<wire::ChainPosition> held;
    const auto pulls = server.Received(FrameType::kPull);
    for (size_t i = pulls.size() - 4; i < pulls.size(); ++i) {
      held.push_back(wire::HeldOf(pulls[i].header));
    }
    return held;
  }

  std::unique_ptr<Codec> codec_;
  std::vector<float> published_;
  std::vector<std::vector<std::byte>> links_;
  uint64_t version_ = 1;
};

TEST_F(ClientDifferences, TheHelloSaysThatTheyAreWantedAndThePathSaysThatTheyAreUsed) {
  CreateWithDifferences();
  wire::Hello hello;
  ASSERT_TRUE(hello.ParseFromString(server.Received(FrameType::kHello)[0].payload));
  EXPECT_EQ(hello.pull_differences(), codec_->info().spec);
  EXPECT_THAT(client->connections()[0].details.at("pull"), HasSubstr("as differences, int8"));
}

TEST_F(ClientDifferences, ACodecThatDoesNotExistIsRefusedAtOnce) {
  auto made = Client::Create(&runtime(), {.servers = {"fake://server"}, .pull_differences = "zip"},
                             server.layout);
  EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("pull_differences 'zip'"));
}

TEST_F(ClientDifferences, TheFirstPullBringsTheWholeAndTheNextWhatChanged) {
  CreateWithDifferences();
  ASSERT_NO_FATAL_FAILURE(PullAndMoveOn());
  EXPECT_THAT(LastHeld(), Each(wire::ChainPosition{}));
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(LastHeld(), Each(wire::ChainPosition{kChain, 1}));
  EXPECT_EQ(theta, published_) << "bit for bit the server's copy";
  EXPECT_NE(theta, server.parameters) << "int8 leaves something out";
  EXPECT_EQ(report->differences, 4u);
  EXPECT_EQ(report->version_min, 2u);
  EXPECT_EQ(report->bytes, Row(0).size() * 4);
  EXPECT_EQ(report->bytes_fp32, 1024u);
}

TEST_F(ClientDifferences, WhatTheCallerDoesToItsVectorDoesNotSpoilTheNextPull) {
  CreateWithDifferences();
  ASSERT_NO_FATAL_FAILURE(PullAndMoveOn());
  std::vector<float> theta(256, -5.0f);
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->differences, 4u);
  EXPECT_EQ(theta, published_);
}

TEST_F(ClientDifferences, AServerThatDoesNotKnowThemAnswersAsToClientsWithoutThem) {
  server.welcome.clear_pull_differences();
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    server.Behave(connection, frame);
  };
  CreateWithDifferences();
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_EQ(theta, server.parameters);
  EXPECT_THAT(LastHeld(), Each(wire::ChainPosition{}));
  ASSERT_THAT(warnings, SizeIs(1));
  EXPECT_THAT(warnings[0], HasSubstr("whole parameters"));
}

TEST_F(ClientDifferences, TheServersReasonForHavingNoneIsLogged) {
  server.welcome.clear_pull_differences();
  server.welcome.set_differences_refused("too many\ncodecs");
  CreateWithDifferences();
  ASSERT_THAT(warnings, SizeIs(1));
  EXPECT_THAT(warnings[0], HasSubstr("too many?codecs"));
  EXPECT_THAT(client->connections()[0].details.at("pull"),
              HasSubstr("no differences: too many?codecs"));
}

// A server that came back from a snapshot counts the same versions again, in a chain with another id.
TEST_F(ClientDifferences, ACopyOfAnotherChainIsReplacedByTheWhole) {
  CreateWithDifferences();
  ASSERT_NO_FATAL_FAILURE(PullAndMoveOn());
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull) return server.Behave(connection, frame);
    EXPECT_EQ(wire::HeldOf(frame.header), (wire::ChainPosition{kChain, 1}));
    wire::FrameHeader reply = ReplyTo(frame);
    wire::SetReached({kChain + 1, 1}, reply);
    connection.Answer(reply, std::string(256, '\0'));
  };
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_THAT(theta, Each(0.0f));
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    EXPECT_EQ(wire::HeldOf(frame.header), (wire::ChainPosition{kChain + 1, 1}));
    AnswerWithAnchor(connection, frame);
  };
  ASSERT_TRUE(Pull(theta).ok());
}

TEST_F(ClientDifferences, AWholeCopyThatIsOfNoChainLeavesWhatIsHeldAsItWas) {
  CreateWithDifferences();
  ASSERT_NO_FATAL_FAILURE(PullAndMoveOn());
  auto behave = std::exchange(server.on_frame, [](FakeConnection& connection, const Frame& frame) {
    connection.Answer(ReplyTo(frame), std::string(256, '\0'));
  });
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta, absl::Minutes(1), 3).ok());
  EXPECT_THAT(theta, Each(0.0f));
  server.on_frame = behave;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->differences, 4u);
  EXPECT_EQ(theta, published_);
}

TEST_F(ClientDifferences, AResultThatIsNotTheServersCopyIsAskedForAgainAsAWhole) {
  CreateWithDifferences();
  ASSERT_NO_FATAL_FAILURE(PullAndMoveOn());
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull) return server.Behave(connection, frame);
    if (wire::HeldOf(frame.header).none()) return AnswerWithAnchor(connection, frame);
    std::string row = Row(frame.header.fragment);
    row[8] = static_cast<char>(row[8] ^ 1);  // of the result's hash
    connection.Answer(DifferencesReplyTo(frame), row);
  };
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, published_);
  EXPECT_EQ(report->differences, 0u);
  EXPECT_EQ(report->bytes, 1024u + 4 * Row(0).size()) << "what was of no use came down too";
  EXPECT_THAT(server.attempts, SizeIs(1)) << "the connection is healthy";
  ASSERT_THAT(warnings, SizeIs(1)) << "said once";
  EXPECT_THAT(warnings[0], HasSubstr("not the server's copy"));
}

TEST_F(ClientDifferences, MalformedDifferencesBreakTheConnectionAndTheNextOneBringsTheWhole) {
  CreateWithDifferences();
  ASSERT_NO_FATAL_FAILURE(PullAndMoveOn());
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull || wire::HeldOf(frame.header).none() ||
        frame.header.fragment != 2) {
      return frame.type() == FrameType::kPull ? AnswerPull(connection, frame)
                                              : server.Behave(connection, frame);
    }
    connection.Answer(DifferencesReplyTo(frame), Row(2) + "x");
  };
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, published_);
  EXPECT_THAT(server.attempts, SizeIs(2));
}

// Each is noticed from the header alone, before anything lands.
TEST_F(ClientDifferences, DifferencesThatWereNotAskedForBreakTheConnection) {
  CreateWithDifferences();
  ASSERT_NO_FATAL_FAILURE(PullAndMoveOn());
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull || connection.number() > 5) {
      return frame.type() == FrameType::kPull ? AnswerPull(connection, frame)
                                              : server.Behave(connection, frame);
    }
    wire::FrameHeader reply = DifferencesReplyTo(frame);
    std::string payload = Row(frame.header.fragment);
    switch (connection.number()) {
      case 1:
        reply.floor ^= 1;  // of another chain
        break;
      case 2:
        wire::SetStart(0, reply);
        break;
      case 3:
        reply.codec = kIdentityWireId;
        break;
      case 4:
        payload.resize(257);  // more than the whole would have
        break;
      case 5:
        reply.fragment ^= 1;
        break;
    }
    connection.Answer(reply, payload);
  };
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, published_);
  EXPECT_EQ(report->differences, 4u) << "what was held is as it was";
  EXPECT_THAT(server.attempts, SizeIs(6));
}

TEST_F(ClientDifferences, DifferencesFromNothingBreakTheConnection) {
  CreateWithDifferences();
  for (float& value : server.parameters) value += 1.0f;
  Publish();
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull) return server.Behave(connection, frame);
    if (connection.number() > 1) return AnswerWithAnchor(connection, frame);
    wire::FrameHeader reply = DifferencesReplyTo(frame);
    wire::SetReached({}, reply);
    wire::SetStart(0, reply);
    connection.Answer(reply, Row(frame.header.fragment));
  };
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_EQ(theta, published_);
  EXPECT_THAT(server.attempts, SizeIs(2));
}

TEST_F(ClientDifferences, AClientWithoutThemTakesNone) {
  server.on_frame = [this](FakeConnection& connection, const Frame& frame) {
    if (frame.type() != FrameType::kPull || connection.number() > 1) {
      return server.Behave(connection, frame);
    }
    wire::FrameHeader reply = ReplyTo(frame);
    reply.flags = wire::kFlagDifferences;
    connection.Answer(reply, std::string(16, '\0'));
  };
  CreateAndJoin();
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_EQ(theta, server.parameters);
  EXPECT_THAT(server.attempts, SizeIs(2));
}

TEST_F(ClientDifferences, PullsOfOneFragmentGoOneAfterTheOther) {
  CreateWithDifferences();
  std::vector<Frame> held;
  auto behave = std::exchange(server.on_frame,
                              [&](FakeConnection&, const Frame& frame) { held.push_back(frame); });
  std::vector<float> first(256);
  std::vector<float> second(256);
  std::optional<absl::StatusOr<PullReport>> done_first;
  std::optional<absl::StatusOr<PullReport>> done_second;
  client->Pull(absl::MakeSpan(first), {}, In(absl::Minutes(1)), [&](auto r) { done_first = r; });
  client->Pull(absl::MakeSpan(second), {}, In(absl::Minutes(1)), [&](auto r) { done_second = r; });
  executor.RunFor(absl::Seconds(1));
  EXPECT_THAT(held, SizeIs(4)) << "the second pull waits";
  server.on_frame = behave;
  for (const Frame& pull : held) AnswerPull(*server.last_connection, pull);
  ASSERT_TRUE(Wait(done_first).ok());
  ASSERT_TRUE(Wait(done_second).ok());
  EXPECT_EQ(first, published_);
  EXPECT_EQ(second, published_);
  EXPECT_THAT(LastHeld(), Each(wire::ChainPosition{kChain, 1})) << "of the first one's answers";
}

TEST_F(ClientDifferences, APullThatGaveUpLeavesTheFragmentFreeForTheNext) {
  CreateWithDifferences();
  ASSERT_NO_FATAL_FAILURE(PullAndMoveOn());
  std::vector<Frame> held;
  auto behave = std::exchange(server.on_frame, [&](FakeConnection& connection, const Frame& frame) {
    if (frame.type() == FrameType::kPull) return held.push_back(frame);
    server.Behave(connection, frame);
  });
  std::vector<float> theta;
  EXPECT_TRUE(absl::IsDeadlineExceeded(Pull(theta, absl::Seconds(1)).status()));
  server.on_frame = behave;
  for (const Frame& pull : held) AnswerPull(*server.last_connection, pull);  // too late
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, published_);
  EXPECT_EQ(report->differences, 4u) << "the late answers changed nothing";
}

TEST(PulledCopies, HoldNothingAfterDifferencesThatAreMalformed) {
  const auto codec = *BuiltinCodecs().Create("int8");
  const std::vector<uint32_t> fragments = {3};
  PulledCopies copies(fragments);
  const std::vector<float> values = Counting(64);
  std::vector<float> destination(64, -1.0f);
  const std::vector<std::byte> noise(5, std::byte{0xff});
  const auto payload = wire::PackDifferences({.result_hash = 1, .links = {noise}});
  copies.Keep(3, {9, 4}, values);
  EXPECT_TRUE(absl::IsInvalidArgument(
      copies.Advance(3, *codec, {9, 5}, payload, absl::MakeSpan(destination))));
  EXPECT_TRUE(copies.Held(3).none());
  EXPECT_THAT(destination, Each(-1.0f)) << "no half of a version";
}

}  // namespace
}  // namespace tideway::testing
