// The bytes of spec.md: frames, greetings, notes and memory descriptors: examples, round trips, and what is refused.

#include "transports/libfabric/frame.h"

#include <cstring>
#include <functional>
#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/wire_test_util.h"
#include "transports/libfabric/bytes.h"
#include "transports/libfabric/greeting.h"
#include "transports/libfabric/one_sided.h"

namespace tideway::libfabric {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::RandomText;
using testing::Seed;

std::string Encoded(const Frame& frame, const std::string& payload = "") {
  std::string out(FrameBytes(frame), '\0');
  const absl::Span<const std::byte> part = Bytes(payload);
  EXPECT_EQ(EncodeFrame(frame, {&part, 1}, {reinterpret_cast<std::byte*>(out.data()), out.size()}),
            out.size());
  return out;
}

absl::Status Decode(const std::string& bytes, Frame& frame) {
  const absl::StatusOr<uint64_t> connection = FrameConnection(Bytes(bytes));
  return connection.ok() ? DecodeFrame(Bytes(bytes), frame) : connection.status();
}

absl::Status Decode(const std::string& bytes) {
  Frame frame;
  return Decode(bytes, frame);
}

std::string TextOf(absl::Span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string EncodedNote(const Note& note) {
  std::string out(kNoteBytes, '\0');
  EncodeNote(note, {reinterpret_cast<std::byte*>(out.data()), out.size()});
  return out;
}

std::string EncodedRange(const ExposedRange& range) { return TextOf(EncodeDescriptor(range)); }

Frame AnInlineFrame(const std::string& header) {
  Frame frame;
  frame.type = FrameType::kInline;
  frame.connection = 0x0123456789abcdef;
  frame.sequence = 5;
  frame.finished = 4;
  frame.header = Bytes(header);
  frame.payload_bytes = 3;
  return frame;
}

Frame ARemoteFrame(const std::string& header) {
  Frame frame = AnInlineFrame(header);
  frame.type = FrameType::kRemote;
  frame.part_count = 2;
  frame.payload_bytes = 0x30000;
  frame.parts[0] = {0x7f0012345678, 9, 0x10000};
  frame.parts[1] = {0, 10, 0x20000};
  return frame;
}

Greeting AGreeting() {
  Greeting greeting;
  greeting.kind = GreetingKind::kHello;
  greeting.connection = 0x0123456789abcdef;
  greeting.device = 1;
  greeting.frame_bytes = 8704;
  greeting.scheme = "ofi+net";
  greeting.fabric_address = std::string("\2\0\x13\x88\x7f\0\0\1", 8) + std::string(8, '\0');
  greeting.text = "a:1";
  return greeting;
}

constexpr ExposedRange kRange = {1, {0x7f0012345678, 9, 4096}};

// --- the examples of spec.md ------------------------------------------------------------------------------------

TEST(OfiFrame, AnInlineMessageHasTheBytesOfTheSpecification) {
  const std::string header = "hi";
  EXPECT_EQ(absl::BytesToHexString(Encoded(AnInlineFrame(header), "abc")),
            "54444631"
            "01"
            "00"
            "0200"
            "efcdab8967452301"
            "05000000"
            "04000000"
            "03000000"
            "00000000"
            "6869"
            "616263");
}

TEST(OfiFrame, ARemoteMessageHasTheBytesOfTheSpecification) {
  const std::string header = "hi";
  EXPECT_EQ(absl::BytesToHexString(Encoded(ARemoteFrame(header))),
            "54444631"
            "02"
            "02"
            "0200"
            "efcdab8967452301"
            "05000000"
            "04000000"
            "00000300"
            "00000000"
            "6869"
            "78563412007f0000"
            "0900000000000000"
            "0000010000000000"
            "0000000000000000"
            "0a00000000000000"
            "0000020000000000");
}

TEST(OfiGreeting, AHelloHasTheBytesOfTheSpecification) {
  EXPECT_EQ(absl::BytesToHexString(EncodeGreeting(AGreeting())),
            "54444731"
            "01"
            "07"
            "10"
            "03"
            "efcdab8967452301"
            "0100000000000000"
            "0000000000000000"
            "0000000000000000"
            "00220000"
            "00000000"
            "6f66692b6e6574"
            "020013887f0000010000000000000000"
            "613a31");
}

TEST(OfiGreeting, ANoteHasTheBytesOfTheSpecification) {
  EXPECT_EQ(absl::BytesToHexString(EncodedNote({NoteKind::kBye, 3})), "0200000003000000");
}

TEST(OfiDescriptor, HasTheBytesOfTheSpecification) {
  EXPECT_EQ(absl::BytesToHexString(EncodedRange(kRange)),
            "54445831"
            "30000000"
            "0100000000000000"
            "78563412007f0000"
            "0900000000000000"
            "0010000000000000"
            "650b0fe9da95e289");
}

// --- round trips ------------------------------------------------------------------------------------------------

TEST(OfiFrame, WhatIsEncodedComesBack) {
  const uint64_t seed = Seed(30);
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2000; ++i) {
    const std::string header = RandomText(random, kMessageHeaderBytesMax);
    const std::string payload = "p" + RandomText(random, 1000);
    Frame sent;
    sent.type = static_cast<FrameType>(1 + random() % 4);
    sent.connection = random();
    sent.sequence = static_cast<uint32_t>(random());
    sent.finished = static_cast<uint32_t>(random());
    const bool message = sent.type == FrameType::kInline || sent.type == FrameType::kRemote;
    if (message) sent.header = Bytes(header);
    if (sent.type == FrameType::kInline) sent.payload_bytes = static_cast<uint32_t>(payload.size());
    if (sent.type == FrameType::kRemote) {
      sent.part_count = 1 + random() % kGatherPartsMax;
      for (size_t part = 0; part < sent.part_count; ++part) {
        sent.parts[part] = {random() >> 1, random(), 1 + random() % (1 << 20)};
        sent.payload_bytes += static_cast<uint32_t>(sent.parts[part].bytes);
      }
    }
    const std::string bytes = Encoded(sent, message ? payload : "");
    Frame got;
    ASSERT_TRUE(Decode(bytes, got).ok()) << Decode(bytes);
    EXPECT_EQ(got.type, sent.type);
    EXPECT_EQ(got.connection, sent.connection);
    EXPECT_EQ(*FrameConnection(Bytes(bytes)), sent.connection);
    EXPECT_EQ(got.sequence, sent.sequence);
    EXPECT_EQ(got.finished, sent.finished);
    EXPECT_EQ(got.payload_bytes, sent.payload_bytes);
    EXPECT_EQ(TextOf(got.header), TextOf(sent.header));
    if (sent.type == FrameType::kInline) {
      EXPECT_EQ(TextOf(got.payload), payload);
    }
    ASSERT_EQ(got.part_count, sent.part_count);
    for (size_t part = 0; part < sent.part_count; ++part) {
      EXPECT_EQ(got.parts[part].address, sent.parts[part].address);
      EXPECT_EQ(got.parts[part].key, sent.parts[part].key);
      EXPECT_EQ(got.parts[part].bytes, sent.parts[part].bytes);
    }
  }
}

TEST(OfiGreeting, WhatIsEncodedComesBack) {
  const uint64_t seed = Seed(30);
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2000; ++i) {
    Greeting sent;
    sent.kind = static_cast<GreetingKind>(1 + random() % 3);
    sent.connection = random();
    sent.device = random();
    sent.cookie_address = random();
    sent.cookie = random();
    sent.frame_bytes = static_cast<uint32_t>(random());
    sent.scheme = RandomText(random, kGreetingTextBytesMax);
    sent.fabric_address = RandomText(random, kGreetingTextBytesMax);
    sent.text = RandomText(random, kGreetingTextBytesMax);
    const std::string bytes = EncodeGreeting(sent);
    EXPECT_LE(bytes.size(), kGreetingBytesMax);
    ASSERT_EQ(GreetingBytes(Bytes(bytes)).value_or(0), bytes.size());
    const absl::StatusOr<Greeting> got = DecodeGreeting(Bytes(bytes));
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->kind, sent.kind);
    EXPECT_EQ(got->connection, sent.connection);
    EXPECT_EQ(got->device, sent.device);
    EXPECT_EQ(got->cookie_address, sent.cookie_address);
    EXPECT_EQ(got->cookie, sent.cookie);
    EXPECT_EQ(got->frame_bytes, sent.frame_bytes);
    EXPECT_EQ(got->scheme, sent.scheme);
    EXPECT_EQ(got->fabric_address, sent.fabric_address);
    EXPECT_EQ(got->text, sent.text);
  }
}

TEST(OfiGreeting, ATextOverItsLimitIsCut) {
  Greeting greeting = AGreeting();
  greeting.text = std::string(1000, 't');
  const std::string bytes = EncodeGreeting(greeting);
  EXPECT_EQ(DecodeGreeting(Bytes(bytes))->text, std::string(kGreetingTextBytesMax, 't'));
}

// --- other bytes ------------------------------------------------------------------------------------------------

TEST(OfiFrame, ACutFrameIsRefusedAndSoIsALongerOne) {
  const std::string header = "hi";
  for (const std::string& good :
       {Encoded(AnInlineFrame(header), "abc"), Encoded(ARemoteFrame(header)), Encoded(Frame())}) {
    ASSERT_TRUE(Decode(good).ok()) << Decode(good);
    for (size_t bytes = 0; bytes < good.size(); ++bytes)
      EXPECT_FALSE(Decode(good.substr(0, bytes)).ok()) << bytes;
    EXPECT_FALSE(Decode(good + "x").ok());
  }
}

// No checksum: the fabric has one. What is no longer a frame is refused; what still is one stays in its limits.
TEST(OfiFrame, AFrameWithOneChangedByteIsRefusedOrStaysInItsLimits) {
  const std::string header = "hi";
  for (const std::string& good :
       {Encoded(AnInlineFrame(header), "abc"), Encoded(ARemoteFrame(header)), Encoded(Frame())}) {
    for (size_t at = 0; at < good.size(); ++at) {
      for (int change = 1; change < 256; ++change) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ change);
        Frame frame;
        const bool taken = Decode(bad, frame).ok();
        // One kind of note may become the other: byte 4.
        const bool checked = (at < 8 && at != 4) || (at >= 24 && at < kFrameHeaderBytes);
        ASSERT_FALSE(taken && checked) << "byte " << at << " changed by " << change;
        if (!taken) continue;
        ASSERT_LE(frame.header.size(), kMessageHeaderBytesMax);
        ASSERT_LE(frame.payload_bytes, kMessagePayloadBytesMax);
        ASSERT_LE(frame.part_count, kGatherPartsMax);
      }
    }
  }
}

TEST(OfiFrame, SizesOverTheirLimitsAreRefusedWithTheLimit) {
  const std::string long_header(kMessageHeaderBytesMax + 1, 'h');
  EXPECT_EQ(Decode(Encoded(AnInlineFrame(long_header), "abc")).code(),
            absl::StatusCode::kResourceExhausted);
  const std::string header = "hi";
  Frame frame = ARemoteFrame(header);
  frame.payload_bytes = kMessagePayloadBytesMax + 1;
  EXPECT_EQ(Decode(Encoded(frame)).code(), absl::StatusCode::kResourceExhausted);
}

TEST(OfiFrame, PartsThatLieAreRefused) {
  const std::string header = "hi";
  const std::function<void(Frame&)> lies[] = {
      [](Frame& frame) { frame.part_count = 0; },
      [](Frame& frame) { frame.parts[0].bytes = 0; },
      [](Frame& frame) { frame.parts[0].bytes += 1; },
      [](Frame& frame) { frame.parts[0].bytes = ~uint64_t{0}; },
      [](Frame& frame) { frame.parts[1].address = ~uint64_t{0} - 5; },
      [](Frame& frame) { frame.payload_bytes = 0; },
      [](Frame& frame) { frame.type = FrameType::kRead; }};
  for (const auto& lie : lies) {
    Frame frame = ARemoteFrame(header);
    lie(frame);
    EXPECT_EQ(Decode(Encoded(frame)).code(), absl::StatusCode::kInvalidArgument) << &lie - &lies[0];
  }
  std::string many = Encoded(ARemoteFrame(header));
  many[5] = static_cast<char>(kGatherPartsMax + 1);
  many += std::string((kGatherPartsMax - 1) * kRemotePartBytes, '\1');
  EXPECT_EQ(Decode(many).code(), absl::StatusCode::kInvalidArgument);
}

TEST(OfiFrame, AMessageOfNothingAndANoteWithAPayloadAreRefused) {
  Frame nothing;
  nothing.type = FrameType::kInline;
  EXPECT_EQ(Decode(Encoded(nothing)).code(), absl::StatusCode::kInvalidArgument);
  const std::string header = "hi";
  Frame note;
  note.header = Bytes(header);
  EXPECT_EQ(Decode(Encoded(note)).code(), absl::StatusCode::kInvalidArgument);
}

TEST(OfiGreeting, AnotherProtocolIsFoundOutByItsFirstByte) {
  EXPECT_FALSE(GreetingBytes(Bytes("G")).ok());
  EXPECT_THAT(std::string(GreetingBytes(Bytes("GET / HTTP/1.1")).status().message()),
              HasSubstr("GET / HTTP"));
  EXPECT_EQ(GreetingBytes(Bytes("")).value_or(1), 0u);
  EXPECT_EQ(GreetingBytes(Bytes("TDG1\1\1\1")).value_or(1), 0u);
}

TEST(OfiGreeting, ABeginningAsksForTheWholeAndAChangeStaysInTheLimits) {
  const std::string good = EncodeGreeting(AGreeting());
  for (size_t bytes = 8; bytes < good.size(); ++bytes)
    EXPECT_EQ(GreetingBytes(Bytes(good.substr(0, bytes))).value_or(0), good.size());
  for (size_t at = 0; at < good.size(); ++at) {
    for (int change = 1; change < 256; ++change) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ change);
      const absl::StatusOr<size_t> bytes = GreetingBytes(Bytes(bad));
      ASSERT_EQ(bytes.ok(), at >= 4);
      if (!bytes.ok()) continue;
      ASSERT_LE(*bytes, kGreetingBytesMax);
      bad.resize(*bytes, 'x');
      const bool taken = DecodeGreeting(Bytes(bad)).ok();
      ASSERT_FALSE(taken && at >= 44 && at < 48) << "a reserved byte was changed";
    }
  }
}

TEST(OfiGreeting, UnknownKindsAreRefused) {
  for (int kind = 0; kind < 256; ++kind) {
    std::string greeting = EncodeGreeting(AGreeting());
    greeting[4] = static_cast<char>(kind);
    EXPECT_EQ(DecodeGreeting(Bytes(greeting)).ok(), kind >= 1 && kind <= 3) << kind;
    std::string note = EncodedNote({NoteKind::kReady, 7});
    note[0] = static_cast<char>(kind);
    EXPECT_EQ(DecodeNote(Bytes(note)).ok(), kind >= 1 && kind <= 3) << kind;
    if (DecodeNote(Bytes(note)).ok()) {
      EXPECT_EQ(DecodeNote(Bytes(note))->value, 7u);
    }
  }
}

TEST(OfiDescriptor, ComesBackWholeAndIsRefusedIfCutOrChanged) {
  const std::string good = EncodedRange(kRange);
  const absl::StatusOr<ExposedRange> got = DecodeDescriptor(Bytes(good));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->device, kRange.device);
  EXPECT_EQ(got->part.address, kRange.part.address);
  EXPECT_EQ(got->part.key, kRange.part.key);
  EXPECT_EQ(got->part.bytes, kRange.part.bytes);
  for (size_t at = 0; at < good.size(); ++at) {
    EXPECT_FALSE(DecodeDescriptor(Bytes(good.substr(0, at))).ok());
    for (int change = 1; change < 256; ++change) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ change);
      ASSERT_EQ(DecodeDescriptor(Bytes(bad)).status().code(), absl::StatusCode::kInvalidArgument)
          << "byte " << at << " changed by " << change;
    }
  }
  EXPECT_FALSE(DecodeDescriptor(Bytes(good + "x")).ok());
}

TEST(OfiFrame, NoiseGivesAStatus) {
  const uint64_t seed = Seed(30);
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string noise = RandomText(random, 300);
    EXPECT_FALSE(Decode(noise).ok());
    if (noise.size() >= 4) std::memcpy(noise.data(), "TDF1", 4);
    Frame frame;
    if (Decode(noise, frame).ok()) {
      EXPECT_LE(frame.header.size(), noise.size());
    }
    if (noise.size() >= 4) std::memcpy(noise.data(), "TDG1", 4);
    const absl::StatusOr<size_t> bytes = GreetingBytes(Bytes(noise));
    if (bytes.ok() && *bytes > 0 && *bytes <= noise.size())
      (void)DecodeGreeting(Bytes(noise).first(*bytes));
    EXPECT_FALSE(DecodeDescriptor(Bytes(noise)).ok());
  }
}

}  // namespace
}  // namespace tideway::libfabric
