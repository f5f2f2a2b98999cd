// The bytes of spec.md: examples, round trips, and what is refused.

#include "transports/ucx/wire.h"

#include <cstring>
#include <functional>
#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/wire_test_util.h"

namespace tideway::ucx {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::RandomText;
using testing::Seed;

// Decodes a frame whole, as the side channel does in two steps.
absl::StatusOr<std::string> BodyOf(const std::string& frame) {
  absl::StatusOr<FramePrefix> prefix =
      DecodeFramePrefix(Bytes(frame).first(std::min(frame.size(), kFramePrefixBytes)));
  if (!prefix.ok()) return prefix.status();
  if (frame.size() != kFramePrefixBytes + prefix->body_bytes)
    return absl::InvalidArgumentError("another length");
  std::string body = frame.substr(kFramePrefixBytes);
  absl::Status status = CheckFrameBody(*prefix, body);
  if (!status.ok()) return status;
  return body;
}

std::string MessageBytes(const MessagePrefix& prefix, const std::string& header) {
  std::string bytes(kMessagePrefixBytes, '\0');
  EncodeMessagePrefix(prefix, reinterpret_cast<std::byte*>(bytes.data()));
  return bytes + header;
}

// Every prefix of `good` and every change of one byte of it is refused by `decode`.
void ExpectOnlyTheWhole(const std::string& good,
                        const std::function<absl::Status(const std::string&)>& decode) {
  ASSERT_TRUE(decode(good).ok()) << decode(good);
  for (size_t bytes = 0; bytes < good.size(); ++bytes)
    EXPECT_EQ(decode(good.substr(0, bytes)).code(), absl::StatusCode::kInvalidArgument) << bytes;
  for (size_t at = 0; at < good.size(); ++at) {
    for (int change = 1; change < 256; ++change) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ change);
      ASSERT_EQ(decode(bad).code(), absl::StatusCode::kInvalidArgument)
          << "byte " << at << " changed by " << change;
    }
  }
}

Hello AHello() {
  Hello hello;
  hello.pid = 4242;
  hello.shared_memory_allowed = true;
  hello.probe_address = 0x7f0012345678;
  hello.nonce = 0x0123456789abcdef;
  hello.host = "b";
  hello.tls = "all";
  return hello;
}

MemoryDescriptor ADescriptor() {
  MemoryDescriptor descriptor;
  descriptor.kind = MemoryKind::kProcess;
  descriptor.pid = 4242;
  descriptor.nonce = 0x0123456789abcdef;
  descriptor.address = 0x7f0012345678;
  descriptor.bytes = 4096;
  return descriptor;
}

// --- the examples of spec.md ------------------------------------------------------------------------------------

TEST(UcxWire, AHelloHasTheBytesOfTheSpecification) {
  EXPECT_EQ(absl::BytesToHexString(EncodeFrame(FrameType::kHello, Encode(AHello()))),
            "54575558"
            "0100"
            "01"
            "00"
            "20000000"
            "9bf98099bd14665f"
            "92100000"
            "01000000"
            "78563412007f0000"
            "efcdab8967452301"
            "0100"
            "62"
            "0300"
            "616c6c");
}

TEST(UcxWire, AGoodbyeHasTheBytesOfTheSpecification) {
  EXPECT_EQ(absl::BytesToHexString(EncodeFrame(FrameType::kGoodbye, EncodeNumber(3))),
            "54575558"
            "0100"
            "07"
            "00"
            "08000000"
            "708ce16db138fa1d"
            "0300000000000000");
}

TEST(UcxWire, AMessagePrefixHasTheBytesOfTheSpecification) {
  EXPECT_EQ(absl::BytesToHexString(
                MessageBytes({.header_bytes = 2, .sequence = 5, .payload_bytes = 3}, "hi")),
            "5457414d"
            "0200"
            "0000"
            "0500000000000000"
            "0300000000000000"
            "6869");
}

TEST(UcxWire, AMemoryDescriptorHasTheBytesOfTheSpecification) {
  EXPECT_EQ(absl::BytesToHexString(Encode(ADescriptor())),
            "54574d44"
            "0100"
            "0000"
            "92100000"
            "00000000"
            "efcdab8967452301"
            "78563412007f0000"
            "0010000000000000"
            "9fcd190f66fdb769");
}

// --- round trips ------------------------------------------------------------------------------------------------

TEST(UcxWire, WhatIsEncodedComesBack) {
  const uint64_t seed = Seed(20);
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2000; ++i) {
    Hello hello;
    hello.pid = static_cast<uint32_t>(random());
    hello.shared_memory_allowed = random() % 2 == 0;
    hello.probe_address = random();
    hello.nonce = random();
    hello.host = RandomText(random, 512);
    hello.tls = RandomText(random, 512);
    const absl::StatusOr<Hello> heard = DecodeHello(Encode(hello));
    ASSERT_TRUE(heard.ok()) << heard.status();
    EXPECT_EQ(heard->pid, hello.pid);
    EXPECT_EQ(heard->shared_memory_allowed, hello.shared_memory_allowed);
    EXPECT_EQ(heard->probe_address, hello.probe_address);
    EXPECT_EQ(heard->nonce, hello.nonce);
    EXPECT_EQ(heard->host, hello.host);
    EXPECT_EQ(heard->tls, hello.tls);

    const Offer offer = {random() % 2 == 0, random() % 2 == 0, "a" + RandomText(random, 1000)};
    const absl::StatusOr<Offer> offered = DecodeOffer(Encode(offer));
    ASSERT_TRUE(offered.ok()) << offered.status();
    EXPECT_EQ(offered->shared_memory, offer.shared_memory);
    EXPECT_EQ(offered->cma, offer.cma);
    EXPECT_EQ(offered->worker_address, offer.worker_address);

    const uint64_t number = random();
    EXPECT_EQ(DecodeNumber(EncodeNumber(number)).value_or(~number), number);

    const std::string body = RandomText(random, 1000);
    const auto type = static_cast<FrameType>(1 + random() % 9);
    const std::string frame = EncodeFrame(type, body);
    EXPECT_EQ(BodyOf(frame).value_or("none"), body);
    EXPECT_EQ(DecodeFramePrefix(Bytes(frame).first(kFramePrefixBytes))->type, type);
  }
}

TEST(UcxWire, MessagesAndDescriptorsComeBack) {
  const uint64_t seed = Seed(20);
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2000; ++i) {
    const std::string header = RandomText(random, kMessageHeaderBytesMax);
    const MessagePrefix prefix = {.header_bytes = static_cast<uint16_t>(header.size()),
                                  .sequence = random(),
                                  .payload_bytes = 1 + random() % kMessagePayloadBytesMax};
    const absl::StatusOr<MessagePrefix> got =
        DecodeMessagePrefix(Bytes(MessageBytes(prefix, header)), prefix.payload_bytes);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->header_bytes, prefix.header_bytes);
    EXPECT_EQ(got->sequence, prefix.sequence);
    EXPECT_EQ(got->payload_bytes, prefix.payload_bytes);

    MemoryDescriptor descriptor;
    descriptor.kind = random() % 2 == 0 ? MemoryKind::kProcess : MemoryKind::kRemoteKey;
    descriptor.pid = static_cast<uint32_t>(random());
    descriptor.nonce = random();
    descriptor.bytes = random() >> 1;
    descriptor.address = random() >> 1;
    descriptor.remote_key = RandomText(random, kMemoryDescriptorBytesMax - 48);
    const absl::StatusOr<MemoryDescriptor> read = DecodeMemoryDescriptor(Bytes(Encode(descriptor)));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->kind, descriptor.kind);
    EXPECT_EQ(read->pid, descriptor.pid);
    EXPECT_EQ(read->nonce, descriptor.nonce);
    EXPECT_EQ(read->bytes, descriptor.bytes);
    EXPECT_EQ(read->address, descriptor.address);
    EXPECT_EQ(read->remote_key, descriptor.remote_key);
  }
}

// --- other bytes ------------------------------------------------------------------------------------------------

TEST(UcxWire, ACutOrChangedFrameIsRefused) {
  ExpectOnlyTheWhole(EncodeFrame(FrameType::kHello, Encode(AHello())),
                     [](const std::string& bytes) { return BodyOf(bytes).status(); });
  ExpectOnlyTheWhole(EncodeFrame(FrameType::kReady, ""),
                     [](const std::string& bytes) { return BodyOf(bytes).status(); });
}

TEST(UcxWire, ACutOrChangedMemoryDescriptorIsRefused) {
  MemoryDescriptor keyed = ADescriptor();
  keyed.kind = MemoryKind::kRemoteKey;
  keyed.remote_key = "a packed key";
  for (const MemoryDescriptor& descriptor : {ADescriptor(), keyed}) {
    ExpectOnlyTheWhole(Encode(descriptor), [](const std::string& bytes) {
      return DecodeMemoryDescriptor(Bytes(bytes)).status();
    });
  }
}

TEST(UcxWire, ACutHelloOfferOrNumberIsRefusedAndSoIsALongerOne) {
  const std::string hello = Encode(AHello());
  for (size_t bytes = 0; bytes < hello.size(); ++bytes)
    EXPECT_FALSE(DecodeHello(hello.substr(0, bytes)).ok()) << bytes;
  EXPECT_FALSE(DecodeHello(hello + "x").ok());
  for (const char* offer : {"", "\1", "\1\1"}) EXPECT_FALSE(DecodeOffer(offer).ok());
  for (size_t bytes = 0; bytes < 12; ++bytes)
    EXPECT_EQ(DecodeNumber(std::string(bytes, 'n')).ok(), bytes == 8) << bytes;
}

TEST(UcxWire, AHelloWhoseTextLiesAboutItsLengthIsRefused) {
  std::string hello = Encode(AHello());
  hello[24] = '\xff';  // the length of `host`
  hello[25] = '\xff';
  EXPECT_EQ(DecodeHello(hello).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(UcxWire, AFrameOverTheLimitIsRefusedBeforeItsBodyIsAwaited) {
  const std::string most(kFrameBodyBytesMax, 'm');
  EXPECT_TRUE(BodyOf(EncodeFrame(FrameType::kAnswer, most)).ok());
  EXPECT_FALSE(BodyOf(EncodeFrame(FrameType::kAnswer, most + "m")).ok());
}

TEST(UcxWire, OtherProtocolsAndVersionsAreToldApart) {
  EXPECT_THAT(std::string(DecodeFramePrefix(Bytes("GET / HTTP/1.1\r\n\r\n")).status().message()),
              HasSubstr("does not speak"));
  std::string frame = EncodeFrame(FrameType::kReady, "");
  frame[4] = 2;
  EXPECT_THAT(std::string(DecodeFramePrefix(Bytes(frame)).status().message()),
              HasSubstr("version 2"));
}

TEST(UcxWire, AMessageWhoseSizesLieIsRefused) {
  const auto decode = [](MessagePrefix prefix, const std::string& header, size_t payload_bytes) {
    return DecodeMessagePrefix(Bytes(MessageBytes(prefix, header)), payload_bytes).status().code();
  };
  EXPECT_EQ(decode({.header_bytes = 2, .payload_bytes = 3}, "hi", 3), absl::StatusCode::kOk);
  for (const uint16_t lie : {0, 1, 3, 256, 257, 65535}) {
    EXPECT_EQ(decode({.header_bytes = lie, .payload_bytes = 3}, "hi", 3),
              absl::StatusCode::kInvalidArgument)
        << lie;
  }
  for (const uint64_t lie : {uint64_t{0}, uint64_t{2}, uint64_t{4}, ~uint64_t{0}}) {
    EXPECT_EQ(decode({.header_bytes = 2, .payload_bytes = lie}, "hi", 3),
              absl::StatusCode::kInvalidArgument)
        << lie;
  }
  const std::string header(kMessageHeaderBytesMax + 1, 'h');
  EXPECT_EQ(decode({.header_bytes = kMessageHeaderBytesMax + 1, .payload_bytes = 3}, header, 3),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(decode({.payload_bytes = kMessagePayloadBytesMax + 1}, "", kMessagePayloadBytesMax + 1),
            absl::StatusCode::kInvalidArgument);
}

TEST(UcxWire, AMessageOfNothingIsRefused) {
  EXPECT_EQ(DecodeMessagePrefix(Bytes(MessageBytes({}, "")), 0).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(UcxWire, AMessagePrefixIsRefusedWhereMagicReservedOrSizesAreChanged) {
  const std::string good =
      MessageBytes({.header_bytes = 2, .sequence = 5, .payload_bytes = 3}, "hi");
  for (size_t bytes = 0; bytes < good.size(); ++bytes)
    EXPECT_FALSE(DecodeMessagePrefix(Bytes(good.substr(0, bytes)), 3).ok()) << bytes;
  for (size_t at = 0; at < kMessagePrefixBytes; ++at) {
    if (at >= 8 && at < 16) continue;  // another sequence is the inbox's to judge
    for (int change = 1; change < 256; ++change) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ change);
      ASSERT_FALSE(DecodeMessagePrefix(Bytes(bad), 3).ok()) << at << " changed by " << change;
    }
  }
}

TEST(UcxWire, ADescriptorThatIsWellHashedMayStillNotLie) {
  MemoryDescriptor descriptor = ADescriptor();
  descriptor.kind = static_cast<MemoryKind>(3);
  EXPECT_FALSE(DecodeMemoryDescriptor(Bytes(Encode(descriptor))).ok());
  descriptor = ADescriptor();
  descriptor.address = ~uint64_t{0} - 10;
  EXPECT_FALSE(DecodeMemoryDescriptor(Bytes(Encode(descriptor))).ok());
  descriptor = ADescriptor();
  descriptor.remote_key = std::string(kMemoryDescriptorBytesMax, 'k');
  EXPECT_FALSE(DecodeMemoryDescriptor(Bytes(Encode(descriptor))).ok());
}

TEST(UcxWire, NoiseGivesAStatus) {
  const uint64_t seed = Seed(20);
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const std::string noise = RandomText(random, 80);
    EXPECT_FALSE(BodyOf(noise).ok());
    EXPECT_FALSE(DecodeMemoryDescriptor(Bytes(noise)).ok());
    EXPECT_FALSE(DecodeMessagePrefix(Bytes(noise), random() % 100).ok());
    (void)DecodeHello(noise);
    (void)DecodeOffer(noise);
  }
}

}  // namespace
}  // namespace tideway::ucx
