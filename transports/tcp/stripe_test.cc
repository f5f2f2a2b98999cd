// StripeSender and StripeReceiver on their own, without sockets: whatever the streams' speeds, the same messages come out, and
// whatever a hostile peer says, memory and window hold.

#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "transports/tcp/greeting.h"
#include "transports/tcp/raw_client.h"
#include "transports/tcp/socket_options.h"
#include "transports/tcp/stripe_receiver.h"
#include "transports/tcp/stripe_sender.h"

namespace tideway::tcp {
namespace {

using ::testing::HasSubstr;

// Lands everything, and remembers in which order it was announced and what is there.
struct Collector final : Receiver {
  struct One {
    std::string header;
    std::string payload;
    int landed = 0;
    absl::Status status;
  };
  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override {
    auto one = std::make_shared<One>();
    one->header.assign(reinterpret_cast<const char*>(header.data()), header.size());
    one->payload.assign(payload_bytes, '\0');
    all.push_back(one);
    ++open;
    open_max = std::max(open_max, open);
    return Landing{{reinterpret_cast<std::byte*>(one->payload.data()), payload_bytes},
                   [this, one](absl::Status status) {
                     --open;
                     ++one->landed;
                     one->status = status;
                   }};
  }
  void OnClosed(const absl::Status&) override {}
  std::vector<std::shared_ptr<One>> all;
  size_t open = 0;
  size_t open_max = 0;
};

// Both ends, with a pipe of bounded size per stream between them.
class Pipes {
 public:
  explicit Pipes(size_t streams) : sender(streams), receiver(streams), pipes_(streams) {}

  // The kernel takes some of what the stream has to write.
  void Write(size_t stream, size_t bytes_max) {
    std::string& pipe = pipes_[stream];
    size_t room = std::min(bytes_max, kPipeBytes - std::min(kPipeBytes, pipe.size()));
    size_t taken = 0;
    for (const asio::const_buffer& part : sender.Gather(stream)) {
      const size_t now = std::min(room - taken, part.size());
      pipe.append(static_cast<const char*>(part.data()), now);
      taken += now;
    }
    sender.Advance(stream, taken, finished);
  }

  absl::Status Read(size_t stream, size_t bytes_max) {
    if (receiver.Waits(stream)) return absl::OkStatus();
    std::string& pipe = pipes_[stream];
    const size_t bytes = std::min(bytes_max, pipe.size());
    size_t at = 0;
    for (absl::Span<std::byte> place : receiver.Prepare(stream)) {
      const size_t now = std::min(bytes - at, place.size());
      if (now > 0) std::memcpy(place.data(), pipe.data() + at, now);
      at += now;
    }
    pipe.erase(0, at);
    return at == 0 ? absl::OkStatus() : receiver.Consume(stream, at, collector, closing);
  }

  void Say(size_t stream, const std::string& bytes) { pipes_[stream] += bytes; }

  StripeSender sender;
  StripeReceiver receiver;
  Collector collector;
  RingQueue<SendOp> finished;
  std::atomic<bool> closing{false};

 private:
  static constexpr size_t kPipeBytes = size_t{1} << 20;
  std::vector<std::string> pipes_;
};

struct Sent {
  std::string header;
  std::string payload;
};

SendOp OpOf(const Sent& sent) {
  const auto bytes = [](const char* data, size_t size) {
    return absl::Span<const std::byte>(reinterpret_cast<const std::byte*>(data), size);
  };
  SendOp op;
  op.message.header = bytes(sent.header.data(), sent.header.size());
  // In two parts, cut at an odd place.
  const size_t cut = sent.payload.size() / 3;
  op.message.payload = {bytes(sent.payload.data(), cut),
                        bytes(sent.payload.data() + cut, sent.payload.size() - cut)};
  op.payload_bytes = sent.payload.size();
  return op;
}

std::string RandomText(size_t bytes, std::mt19937_64& random) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; i += 509) text[i] = static_cast<char>(random());
  return text;
}

TEST(TcpStripes, MessagesComeWholeAndInOrderWhateverTheStreamsSpeedsAre) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937_64 random(seed);
    const size_t streams = 2 + random() % (kTcpStreamsMax - 1);
    Pipes pipes(streams);
    std::vector<std::unique_ptr<Sent>> sent;
    for (int i = 0; i < 60; ++i) {
      const size_t bytes = random() % 3 == 0 ? random() % (3 * kChunkBytes) : random() % 2000;
      sent.push_back(std::make_unique<Sent>(Sent{absl::StrCat("h", i), RandomText(bytes, random)}));
      pipes.sender.Push(OpOf(*sent.back()));
    }
    // One stream is much slower than the rest, another one each time.
    const size_t slow = random() % streams;
    size_t turns = 0;
    while (pipes.collector.all.size() < sent.size() || pipes.collector.open > 0) {
      ASSERT_LT(++turns, size_t{1'000'000}) << "nothing moves";
      const size_t stream = random() % streams;
      const size_t bytes_max = 1 + random() % (stream == slow ? 3000 : 300'000);
      if (random() % 2 == 0) {
        pipes.Write(stream, bytes_max);
      } else {
        const absl::Status status = pipes.Read(stream, bytes_max);
        ASSERT_TRUE(status.ok()) << status;
      }
    }
    EXPECT_EQ(pipes.finished.size(), sent.size());
    EXPECT_FALSE(pipes.receiver.InMidMessage());
    for (size_t i = 0; i < sent.size(); ++i) {
      EXPECT_EQ(pipes.collector.all[i]->header, sent[i]->header);
      EXPECT_TRUE(pipes.collector.all[i]->payload == sent[i]->payload) << i;
      EXPECT_EQ(pipes.collector.all[i]->landed, 1) << i;
    }
  }
}

TEST(TcpStripes, NoMoreMessagesThanTheWindowAreOpenThoughOneStreamStandsStill) {
  Pipes pipes(3);
  std::vector<std::unique_ptr<Sent>> sent;
  for (size_t i = 0; i < kStripedMessagesOpenMax + 40; ++i) {
    sent.push_back(std::make_unique<Sent>(Sent{"h", std::string(kChunkBytes, 'p')}));
    pipes.sender.Push(OpOf(*sent.back()));
  }
  // Stream 2 takes the first chunk that it can get and then is not read.
  pipes.Write(0, 100'000);
  pipes.Write(2, kChunkBytes);
  for (int i = 0; i < 5000; ++i) {
    for (size_t stream : {0, 1}) {
      pipes.Write(stream, 100'000);
      ASSERT_TRUE(pipes.Read(stream, 100'000).ok());
    }
  }
  EXPECT_TRUE(pipes.receiver.Waits(0));
  EXPECT_EQ(pipes.collector.all.size(), kStripedMessagesOpenMax);
  for (int i = 0; i < 5000 && pipes.finished.size() < sent.size(); ++i) {
    for (size_t stream : {0, 1, 2}) {
      pipes.Write(stream, 100'000);
      ASSERT_TRUE(pipes.Read(stream, 100'000).ok());
    }
  }
  EXPECT_EQ(pipes.finished.size(), sent.size());
}

TEST(TcpStripes, WhatIsNotOutIsGivenBackInOrder) {
  Pipes pipes(2);
  const std::vector<Sent> sent = {{"a", "small"}, {"b", std::string(2'000'000, 'b')}, {"c", ""}};
  for (const Sent& one : sent) pipes.sender.Push(OpOf(one));
  pipes.Write(1, 100);  // nothing yet: its message has not been announced
  pipes.Write(0, 10);
  pipes.Write(1, 100'000);
  RingQueue<SendOp> left;
  pipes.sender.TakeAll(left);
  ASSERT_EQ(left.size(), 3u);
  for (size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(static_cast<char>(left[i].message.header[0]), sent[i].header[0]);
  }
}

// --- what no peer of ours says ----------------------------------------------------------------------------------

std::string Text(absl::Span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string Head(const std::string& header, size_t payload_bytes) {
  std::byte prefix[kPrefixBytes];
  EncodeStripedHead({header.size(), payload_bytes}, absl::MakeSpan(prefix));
  return Text(prefix) + header;
}

std::string Chunk(size_t index, uint64_t message) {
  std::byte frame[kChunkFrameBytes];
  EncodeChunk({index, message}, absl::MakeSpan(frame));
  return Text(frame);
}

absl::Status StatusAfter(Pipes& pipes, size_t stream, const std::string& bytes) {
  pipes.Say(stream, bytes);
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) status = pipes.Read(stream, 1'000'000);
  return status;
}

void ExpectRefused(const absl::Status& status, const std::string& text) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
}

TEST(TcpStripes, TheFramesMatchTheExampleOfTheSpecification) {
  EXPECT_EQ(Head("hi", 262144), std::string("TDS1\x02\0\0\0\0\0\x04\0hi", 14));
  EXPECT_EQ(Chunk(1, 2), std::string("TDC1\x01\0\0\0\x02\0\0\0\0\0\0\0", 16));
}

TEST(TcpStripes, AChunkThatCameAlreadyOrLiesOutsideOrIsOfAnEndedMessageIsRefused) {
  const std::string chunk(kChunkBytes, 'c');
  for (const std::string& second : {Chunk(0, 0), Chunk(2, 0), Chunk(0xffffffff, 0)}) {
    Pipes pipes(2);
    ASSERT_TRUE(StatusAfter(pipes, 0, Head("h", 2 * kChunkBytes)).ok());
    ExpectRefused(StatusAfter(pipes, 1, Chunk(0, 0) + chunk + second), "no such chunk");
    pipes.receiver.Fail(absl::CancelledError("end"));
    EXPECT_EQ(pipes.collector.open, 0u);
  }
  Pipes pipes(2);
  ASSERT_TRUE(StatusAfter(pipes, 0, Head("h", kChunkBytes)).ok());
  ExpectRefused(StatusAfter(pipes, 1, Chunk(0, 0) + chunk + Chunk(0, 0)), "no such chunk");
  EXPECT_EQ(pipes.collector.all[0]->landed, 1);
}

TEST(TcpStripes, AChunkBeforeItsMessageWaitsOnAnotherStreamAndIsRefusedOnTheFirst) {
  Pipes pipes(2);
  ASSERT_TRUE(StatusAfter(pipes, 1, Chunk(0, 0) + std::string(kChunkBytes, 'c')).ok());
  EXPECT_TRUE(pipes.receiver.Waits(1));
  ASSERT_TRUE(StatusAfter(pipes, 0, Head("h", kChunkBytes)).ok());
  EXPECT_FALSE(pipes.receiver.Waits(1));
  ASSERT_TRUE(StatusAfter(pipes, 1, "").ok());
  EXPECT_EQ(pipes.collector.all[0]->payload, std::string(kChunkBytes, 'c'));
  ExpectRefused(StatusAfter(pipes, 0, Chunk(0, 1)), "before the message");
}

TEST(TcpStripes, MessagesBelongOnTheFirstStreamAndSmallOnesAreNotStriped) {
  Pipes one(2);
  ExpectRefused(StatusAfter(one, 1, Frame("h", "p")), "another stream than the first");
  Pipes two(2);
  ExpectRefused(StatusAfter(two, 0, Head("h", kChunkBytes - 1)), "striped a payload");
  Pipes three(2);
  ExpectRefused(StatusAfter(three, 1, "TDx"), "54 44 78");
}

TEST(TcpStripes, RandomChangesNeverLeadOutsideOfTheMemory) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    Pipes pipes(3);
    absl::Status status;
    for (int i = 0; i < 30 && status.ok(); ++i) {
      std::string bytes = random() % 2 == 0 ? Head("h", (1 + random() % 4) * kChunkBytes)
                                            : Chunk(random() % 3, random() % 4) +
                                                  std::string(random() % 3 * kChunkBytes / 2, 'c');
      if (random() % 3 == 0) bytes[random() % 16 % bytes.size()] = static_cast<char>(random());
      status = StatusAfter(pipes, random() % 3, bytes);
    }
    pipes.receiver.Fail(absl::CancelledError("end"));
    ASSERT_EQ(pipes.collector.open, 0u) << "seed " << seed;
  }
}

// --- greetings ----------------------------------------------------------------------------------------------------

TEST(TcpGreeting, ComesBackAsItWasAndNoSingleChangedByteGoesUnnoticed) {
  const Greeting sent = {.streams = 4, .index = 2, .token = {0x0123456789abcdef, 42}};
  const auto bytes = EncodeGreeting(sent);
  const auto got = DecodeGreeting(bytes);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->streams, sent.streams);
  EXPECT_EQ(got->index, sent.index);
  EXPECT_EQ(got->token, sent.token);
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto damaged = bytes;
    damaged[i] ^= std::byte{0x10};
    EXPECT_EQ(DecodeGreeting(damaged).status().code(), absl::StatusCode::kInvalidArgument) << i;
  }
}

TEST(TcpGreeting, CountsOutOfRangeAreRefused) {
  for (const Greeting& bad :
       {Greeting{1, 0, {}}, Greeting{kTcpStreamsMax + 1, 0, {}}, Greeting{3, 3, {}}}) {
    EXPECT_THAT(std::string(DecodeGreeting(EncodeGreeting(bad)).status().message()),
                HasSubstr("out of range"));
  }
}

TEST(TcpStreamCount, FollowsTheRoundTrip) {
  EXPECT_EQ(StreamsFor(absl::ZeroDuration()), 1u);
  EXPECT_EQ(StreamsFor(absl::Microseconds(1999)), 1u);
  EXPECT_EQ(StreamsFor(absl::Milliseconds(2)), 2u);
  EXPECT_EQ(StreamsFor(absl::Milliseconds(10)), 3u);
  EXPECT_EQ(StreamsFor(absl::Milliseconds(20)), 6u);
  EXPECT_EQ(StreamsFor(absl::Milliseconds(300)), kTcpStreamsMax);
}

}  // namespace
}  // namespace tideway::tcp
