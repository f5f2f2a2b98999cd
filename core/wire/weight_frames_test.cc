// Frames and records of weight sync: what is written is read, and what is hostile is refused.

#include "core/wire/weight_frames.h"

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/wire/frame.h"
#include "core/wire/weight_handshake.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::wire {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

constexpr char kPayload[] = "sixteen bytes!!";

WeightFrameHeader ChangesHeader() {
  WeightFrameHeader header;
  header.type = static_cast<uint8_t>(WeightFrameType::kChanges);
  header.epoch = 0x1122334455667788;
  header.from = 41;
  header.to = 42;
  header.payload_bytes = sizeof(kPayload);
  header.payload_hash =
      HashPayload(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(kPayload), 16));
  return header;
}

Bytes Written(const WeightFrameHeader& header) {
  Bytes bytes(kWeightHeaderBytes);
  WriteWeightHeader(header, absl::MakeSpan(bytes));
  return bytes;
}

std::string Hex(absl::Span<const std::byte> bytes) {
  std::string hex;
  for (const std::byte byte : bytes) {
    absl::StrAppend(&hex, absl::Hex(std::to_integer<int>(byte), absl::kZeroPad2));
  }
  return hex;
}

Bytes Record(uint32_t tensor, uint32_t chunk, const std::string& difference) {
  Bytes bytes(kWeightRecordHeadBytes + difference.size());
  WriteWeightRecordHead(tensor, chunk, difference.size(), bytes.data());
  std::memcpy(bytes.data() + kWeightRecordHeadBytes, difference.data(), difference.size());
  return bytes;
}

TEST(WeightFrames, AHeaderSurvivesTheWireFieldByField) {
  const auto got = ReadWeightHeader(Written(ChangesHeader()), 16);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->epoch, 0x1122334455667788u);
  EXPECT_EQ(got->from, 41u);
  EXPECT_EQ(got->to, 42u);
  EXPECT_EQ(got->payload_bytes, 16u);
  EXPECT_TRUE(CheckWeightPayload(
                  *got, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(kPayload), 16))
                  .ok());
}

TEST(WeightFrames, TheBytesAreThoseOfTheWorkedExampleInTheDocumentation) {
  WeightFrameHeader header;
  header.type = static_cast<uint8_t>(WeightFrameType::kRequest);
  header.epoch = 0x1122334455667788;
  header.from = 41;
  EXPECT_EQ(Hex(Written(header)).substr(0, 120),
            "5444575301040000"
            "8877665544332211"
            "2900000000000000"
            "0000000000000000"
            "0000000000000000"
            "0000000000000000"
            "0000000000000000"
            "00000000");
  EXPECT_EQ(Hex(Record(3, 1, "abc")),
            "03000000"
            "01000000"
            "03000000"
            "00000000"
            "616263");
}

TEST(WeightFrames, AnyFlippedBitOfAHeaderIsNoticed) {
  const Bytes good = Written(ChangesHeader());
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_TRUE(absl::IsDataLoss(ReadWeightHeader(bad, 16).status())) << "bit " << bit;
  }
}

TEST(WeightFrames, EveryOtherLengthIsRefused) {
  Bytes bytes(kMessageHeaderBytesMax);
  const Bytes good = Written(ChangesHeader());
  std::memcpy(bytes.data(), good.data(), good.size());
  for (size_t length = 0; length <= bytes.size(); ++length) {
    const bool ok = ReadWeightHeader(absl::MakeConstSpan(bytes.data(), length), 16).ok();
    EXPECT_EQ(ok, length == kWeightHeaderBytes) << length;
  }
}

TEST(WeightFrames, AFieldThatATypeDoesNotUseMustBeZero) {
  WeightFrameHeader ping;
  ping.type = static_cast<uint8_t>(WeightFrameType::kPing);
  ASSERT_TRUE(ReadWeightHeader(Written(ping), 0).ok());
  for (uint64_t WeightFrameHeader::*const field :
       {&WeightFrameHeader::epoch, &WeightFrameHeader::from, &WeightFrameHeader::to,
        &WeightFrameHeader::count, &WeightFrameHeader::payload_hash}) {
    WeightFrameHeader bad = ping;
    bad.*field = 1;
    EXPECT_TRUE(absl::IsInvalidArgument(ReadWeightHeader(Written(bad), 0).status()));
  }
  WeightFrameHeader chunk = ping;
  chunk.chunk = 1;
  EXPECT_FALSE(ReadWeightHeader(Written(chunk), 0).ok());
  WeightFrameHeader flags = ping;
  flags.flags = 1;
  EXPECT_FALSE(ReadWeightHeader(Written(flags), 0).ok());
}

TEST(WeightFrames, UnknownTypesAndWrongPayloadLengthsAreRefused) {
  for (const int type : {0, 11, 255}) {
    WeightFrameHeader header;
    header.type = static_cast<uint8_t>(type);
    EXPECT_THAT(std::string(ReadWeightHeader(Written(header), 0).status().message()),
                HasSubstr("unknown frame type"));
  }
  EXPECT_THAT(std::string(ReadWeightHeader(Written(ChangesHeader()), 17).status().message()),
              HasSubstr("announces 16 payload bytes, the message has 17"));
}

TEST(WeightFrames, AParameterServerIsToldFromAPublisher) {
  Bytes bytes(kFrameHeaderBytes);
  WriteHeader({.type = static_cast<uint8_t>(FrameType::kRefuse)}, absl::MakeSpan(bytes));
  const absl::Status status = ReadWeightHeader(bytes, 0).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("give a subscriber the address of a publisher"));
}

TEST(WeightFrames, AnotherVersionIsNamedTogetherWithOurs) {
  Bytes bytes = Written(ChangesHeader());
  bytes[4] = std::byte{9};
  EXPECT_THAT(std::string(ReadWeightHeader(bytes, 16).status().message()),
              HasSubstr("peer speaks version 9 of weight sync, this end 1"));
}

TEST(WeightFrames, ADamagedPayloadIsDataLoss) {
  Bytes payload(16, std::byte{1});
  EXPECT_TRUE(absl::IsDataLoss(CheckWeightPayload(ChangesHeader(), payload)));
}

TEST(WeightRecords, WhatIsWrittenIsReadInOrder) {
  Bytes payload = Record(0, 0, "abc");
  const Bytes second = Record(7, 9, "");
  payload.insert(payload.end(), second.begin(), second.end());
  WeightRecordReader reader(payload);
  const auto a = reader.Next();
  ASSERT_TRUE(a.ok()) << a.status();
  EXPECT_EQ(a->tensor, 0u);
  EXPECT_EQ(Hex(a->difference), "616263");
  const auto b = reader.Next();
  ASSERT_TRUE(b.ok()) << b.status();
  EXPECT_EQ(b->tensor, 7u);
  EXPECT_EQ(b->chunk, 9u);
  EXPECT_TRUE(b->difference.empty());
  EXPECT_TRUE(reader.AtEnd());
}

TEST(WeightRecords, EveryCutIsRefused) {
  const Bytes whole = Record(1, 2, "abcdef");
  for (size_t bytes = 1; bytes < whole.size(); ++bytes) {
    WeightRecordReader reader(absl::MakeConstSpan(whole).first(bytes));
    EXPECT_TRUE(absl::IsInvalidArgument(reader.Next().status())) << bytes;
  }
}

TEST(WeightHandshake, ATableOfTensorsSurvivesTheWire) {
  const std::vector<WeightSpec> tensors = {{"a", WeightType::kFp32, {}},
                                           {"b", WeightType::kBf16, {2, 3}}};
  WeightWelcome welcome;
  ASSERT_TRUE(AddTensors(tensors, welcome));
  BufferPool pool(size_t{1} << 20);
  const auto packed = PackWeightMessage(
      {.type = static_cast<uint8_t>(WeightFrameType::kWelcome), .epoch = 5}, welcome, pool);
  ASSERT_TRUE(packed.ok()) << packed.status();
  const auto read = UnpackWeightMessage<WeightWelcome>(packed->span());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(TensorsOf(*read), tensors);
}

TEST(WeightHandshake, ATableThatIsTooLongIsLeftOut) {
  const std::vector<WeightSpec> tensors(kTensorsMax,
                                        {std::string(kTensorNameBytesMax, 'x'), WeightType::kBf16});
  WeightWelcome welcome;
  EXPECT_FALSE(AddTensors(tensors, welcome));
  EXPECT_EQ(welcome.tensors_size(), 0);
}

TEST(WeightHandshake, AHostileTableIsCutToTheLimits) {
  WeightWelcome welcome;
  WeightTensor* const tensor = welcome.add_tensors();
  tensor->set_name(std::string(kTensorNameBytesMax + 1, '\n'));
  tensor->set_type(0x102);  // bf16, if it were cut to a byte
  for (size_t i = 0; i <= kTensorRankMax; ++i) tensor->add_shape(-1);
  const std::vector<WeightSpec> tensors = TensorsOf(welcome);
  EXPECT_EQ(tensors[0].name.size(), kTensorNameBytesMax);
  EXPECT_EQ(tensors[0].shape.size(), kTensorRankMax);
  EXPECT_EQ(static_cast<int>(tensors[0].type), 0);
}

}  // namespace
}  // namespace tideway::wire
