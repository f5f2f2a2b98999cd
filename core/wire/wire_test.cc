#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/wire/control.h"
#include "core/wire/frame.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::wire {
namespace {

using ::testing::HasSubstr;

FrameHeader PushHeader() {
  FrameHeader header;
  header.type = static_cast<uint8_t>(FrameType::kPush);
  header.session = 0x1122334455667788;
  header.sequence = 7;
  header.base_version = 41;
  header.floor = 5;
  header.fragment = 3;
  header.elements = 4;
  header.inner_steps = 50;
  header.codec = 1;
  header.payload_bytes = 16;
  return header;
}

std::vector<std::byte> Bytes(const FrameHeader& header) {
  std::vector<std::byte> bytes(kFrameHeaderBytes);
  WriteHeader(header, absl::MakeSpan(bytes));
  return bytes;
}

TEST(Frame, HeaderSurvivesTheWireFieldByField) {
  const FrameHeader sent = PushHeader();
  auto got = ReadHeader(Bytes(sent), 16);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->session, sent.session);
  EXPECT_EQ(got->sequence, 7u);
  EXPECT_EQ(got->base_version, 41u);
  EXPECT_EQ(got->floor, 5u);
  EXPECT_EQ(got->fragment, 3u);
  EXPECT_EQ(got->elements, 4u);
  EXPECT_EQ(got->inner_steps, 50u);
  EXPECT_EQ(got->payload_bytes, 16u);
}

TEST(Frame, AnyFlippedBitOfTheHeaderIsNoticed) {
  const std::vector<std::byte> good = Bytes(PushHeader());
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::vector<std::byte> bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_FALSE(ReadHeader(bad, 16).ok()) << "bit " << bit;
  }
}

TEST(Frame, EveryOtherLengthIsRefused) {
  std::vector<std::byte> bytes(kMessageHeaderBytesMax);
  const auto good = Bytes(PushHeader());
  std::memcpy(bytes.data(), good.data(), good.size());
  for (size_t length = 0; length <= bytes.size(); ++length) {
    const bool ok = ReadHeader(absl::MakeConstSpan(bytes.data(), length), 16).ok();
    EXPECT_EQ(ok, length == kFrameHeaderBytes) << length;
  }
}

TEST(Frame, AnotherVersionIsNamedTogetherWithOurs) {
  std::vector<std::byte> bytes = Bytes(PushHeader());
  bytes[4] = std::byte{9};
  EXPECT_THAT(std::string(ReadHeader(bytes, 16).status().message()),
              HasSubstr("peer speaks wire version 9, this end speaks 1"));
}

TEST(Frame, ForeignBytesAreToldFromOurs) {
  std::vector<std::byte> bytes(kFrameHeaderBytes);
  std::memcpy(bytes.data(), "GET / HTTP/1.1\r\n", 16);
  EXPECT_THAT(std::string(ReadHeader(bytes, 0).status().message()), HasSubstr("magic"));
}

// Sending again may help, unlike with a stranger.
TEST(Frame, AHeaderWithOneWrongBitIsDataLossWhereverItIs) {
  const std::vector<std::byte> good = Bytes(PushHeader());
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::vector<std::byte> bytes = good;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_EQ(ReadHeader(bytes, 16).status().code(), absl::StatusCode::kDataLoss) << bit;
  }
  std::vector<std::byte> stranger(kFrameHeaderBytes, std::byte{'x'});
  EXPECT_EQ(ReadHeader(stranger, 16).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Frame, ALengthThatDiffersFromTheTransportsIsRefused) {
  EXPECT_FALSE(ReadHeader(Bytes(PushHeader()), 17).ok());
}

TEST(Frame, OnlyAPushOrAPullsAnswerMayGoUnhashedAndOnlyWhereThatWasAgreed) {
  FrameHeader header = PushHeader();
  header.flags = kFlagUnhashed;
  header.payload_hash = 0;
  EXPECT_TRUE(ReadHeader(Bytes(header), 16, /*unhashed=*/true).ok());
  EXPECT_THAT(std::string(ReadHeader(Bytes(header), 16).status().message()),
              HasSubstr("the payload of a push frame must be hashed"));
  for (const FrameType type : {FrameType::kHello, FrameType::kRequest, FrameType::kReply}) {
    header.type = static_cast<uint8_t>(type);
    EXPECT_FALSE(ReadHeader(Bytes(header), 16, /*unhashed=*/true).ok()) << TypeName(type);
  }
  header.type = static_cast<uint8_t>(FrameType::kPullReply);
  EXPECT_TRUE(ReadHeader(Bytes(header), 16, /*unhashed=*/true).ok());
  header.payload_hash = 1;
  EXPECT_FALSE(ReadHeader(Bytes(header), 16, /*unhashed=*/true).ok()) << "a hash all the same";
}

TEST(Frame, AnUnhashedPayloadIsNotLookedAt) {
  FrameHeader header = PushHeader();
  header.flags = kFlagUnhashed;
  header.payload_hash = 0;
  EXPECT_TRUE(CheckPayload(header, std::vector<std::byte>(1000, std::byte{3})).ok());
}

TEST(Frame, ADamagedPayloadIsDataLoss) {
  std::vector<std::byte> payload(1000, std::byte{3});
  FrameHeader header = PushHeader();
  header.payload_hash = HashPayload(payload);
  EXPECT_TRUE(CheckPayload(header, payload).ok());
  payload[999] ^= std::byte{1};
  EXPECT_EQ(CheckPayload(header, payload).code(), absl::StatusCode::kDataLoss);
}

TEST(Frame, RandomBytesNeverPassForAHeader) {
  std::mt19937_64 random(1);
  std::vector<std::byte> bytes(kFrameHeaderBytes);
  for (int i = 0; i < 100000; ++i) {
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    if (i % 2 == 0) std::memcpy(bytes.data(), &kMagic, sizeof(kMagic));
    EXPECT_FALSE(ReadHeader(bytes, 0).ok());
  }
}

// The worked example of docs/wire.md: what it shows is what is sent.
TEST(Frame, GoldenBytesOfThePushInTheWireDocument) {
  FrameHeader header = PushHeader();
  const float delta[4] = {1.0f, -2.0f, 0.5f, 0.0f};
  std::vector<std::byte> payload(sizeof(delta));
  std::memcpy(payload.data(), delta, sizeof(delta));
  header.payload_hash = HashPayload(payload);
  std::string hex;
  for (std::byte byte : Bytes(header)) absl::StrAppendFormat(&hex, "%02x", static_cast<int>(byte));
  EXPECT_EQ(hex,
            "5444575901040000"
            "8877665544332211"
            "0700000000000000"
            "2900000000000000"
            "0000000000000000"
            "0000000000000000"
            "0000000000000000"
            "0500000000000000"
            "0300000004000000"
            "3200000001000000"
            "643801d178da6797"
            "100000005fb58994");
}

TEST(Control, MessageIsPackedBehindItsHeader) {
  BufferPool pool(1 << 20);
  Hello hello;
  hello.set_worker("worker-1");
  FrameHeader header;
  header.type = static_cast<uint8_t>(FrameType::kHello);
  auto buffer = PackControl(header, hello, pool);
  ASSERT_TRUE(buffer.ok());
  auto read = ReadHeader(buffer->headroom(kFrameHeaderBytes), buffer->size());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(CheckPayload(*read, buffer->span()).ok());
  auto got = UnpackControl<Hello>(buffer->span());
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->worker(), "worker-1");
}

TEST(Control, RandomBytesGiveAStatusOrAMessageButNeverACrash) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::byte> bytes(random() % 64);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    UnpackControl<Hello>(bytes).status().IgnoreError();
    UnpackControl<ControlRequest>(bytes).status().IgnoreError();
    UnpackControl<ControlReply>(bytes).status().IgnoreError();
  }
}

TEST(Control, ARefusalIsNeverOk) {
  Refusal refusal;
  for (int code : {-1, 0, 17, 1 << 20}) {
    refusal.set_code(code);
    EXPECT_EQ(FromProto(refusal).code(), absl::StatusCode::kUnknown) << code;
  }
  refusal = ToProto(absl::FailedPreconditionError("fenced"));
  EXPECT_EQ(FromProto(refusal), absl::FailedPreconditionError("fenced"));
}

TEST(Control, StatisticsSurviveTheWire) {
  tideway::ServerStats stats;
  stats.seconds = 12.5;
  stats.window = 3;
  stats.steps_finished = 99;
  stats.staleness_histogram = {5, 1, 0, 2};
  stats.workers.push_back({.id = 4, .name = "w", .active = true, .pushes = 17, .shard = 2});
  stats.workers[0].status.loss = 1.5;
  const tideway::ServerStats got = FromProto(ToProto(stats));
  EXPECT_EQ(got.seconds, 12.5);
  EXPECT_EQ(got.window, 3u);
  EXPECT_EQ(got.steps_finished, 99u);
  EXPECT_EQ(got.staleness_histogram, stats.staleness_histogram);
  ASSERT_EQ(got.workers.size(), 1u);
  EXPECT_EQ(got.workers[0].name, "w");
  EXPECT_TRUE(got.workers[0].active);
  EXPECT_EQ(got.workers[0].pushes, 17u);
  EXPECT_EQ(got.workers[0].status.loss, 1.5);
}

}  // namespace
}  // namespace tideway::wire
