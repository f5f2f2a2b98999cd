#include "core/wire/weight_frames.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/wire/frame.h"
#include "core/wire/payload_scan.h"

namespace tideway::wire {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the wire is little-endian and headers are copied as they are in memory");

struct RecordHead {
  uint32_t tensor = 0;
  uint32_t chunk = 0;
  uint32_t bytes = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(RecordHead) == kWeightRecordHeadBytes, "no padding");

uint32_t HashHeader(const WeightFrameHeader& header) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(&header);
  return static_cast<uint32_t>(
      HashBytes(absl::MakeConstSpan(bytes, offsetof(WeightFrameHeader, header_hash))));
}

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

// As in frame.cc: ours and damaged on the way, or a stranger's.
absl::Status Foreign(WeightFrameHeader header, const std::string& what) {
  header.magic = kWeightMagic;
  header.version = kWeightVersion;
  return header.header_hash == HashHeader(header) ? absl::DataLossError(what) : Bad(what);
}

absl::Status CheckMagic(const WeightFrameHeader& header) {
  if (header.magic == kMagic) {
    return Foreign(header,
                   "the peer speaks the protocol of a parameter server, not of weight sync; give "
                   "a subscriber the address of a publisher");
  }
  if (header.magic != kWeightMagic) {
    return Foreign(header,
                   absl::StrFormat("frame begins with %08x, not with weight sync's magic %08x",
                                   header.magic, kWeightMagic));
  }
  // Before the hash: another version may hash otherwise, and the peer deserves to hear which one we speak.
  if (header.version != kWeightVersion) {
    return Foreign(
        header, absl::StrCat("peer speaks version ", header.version, " of weight sync, this end ",
                             kWeightVersion, "; run the same release on both ends"));
  }
  if (header.header_hash != HashHeader(header)) {
    return absl::DataLossError("frame header is damaged: hash mismatch");
  }
  return absl::OkStatus();
}

// Which fields a type uses; all others are zero.
struct Fields {
  bool epoch, from, to, count, chunk, payload;
};

Fields FieldsOf(WeightFrameType type) {
  switch (type) {
    case WeightFrameType::kHello:
    case WeightFrameType::kRefuse:
      return {.payload = true};
    case WeightFrameType::kWelcome:
      return {.epoch = true, .payload = true};
    case WeightFrameType::kRequest:
      return {.epoch = true, .from = true};
    case WeightFrameType::kVersion:
      return {.epoch = true, .from = true, .to = true, .count = true, .payload = true};
    case WeightFrameType::kChanges:
      return {.epoch = true, .from = true, .to = true, .payload = true};
    case WeightFrameType::kWhole:
      return {.epoch = true, .to = true, .chunk = true, .payload = true};
    case WeightFrameType::kTaken:
      return {.count = true};
    case WeightFrameType::kPing:
    case WeightFrameType::kPong:
      return {};
  }
  return {};
}

bool UsesOnlyItsFields(const WeightFrameHeader& header) {
  const Fields used = FieldsOf(static_cast<WeightFrameType>(header.type));
  const bool no_payload = header.payload_bytes == 0 && header.payload_hash == 0;
  return header.flags == 0 && (used.epoch || header.epoch == 0) &&
         (used.from || header.from == 0) && (used.to || header.to == 0) &&
         (used.count || header.count == 0) &&
         (used.chunk || (header.tensor == 0 && header.chunk == 0)) && (used.payload || no_payload);
}

}  // namespace

void WriteWeightHeader(WeightFrameHeader header, absl::Span<std::byte> out) {
  assert(out.size() == kWeightHeaderBytes);
  header.magic = kWeightMagic;
  header.version = kWeightVersion;
  header.header_hash = HashHeader(header);
  std::memcpy(out.data(), &header, sizeof(header));
}

absl::StatusOr<WeightFrameHeader> ReadWeightHeader(absl::Span<const std::byte> bytes,
                                                   size_t payload_bytes) {
  WeightFrameHeader header;
  std::memcpy(&header, bytes.data(), std::min(bytes.size(), sizeof(header)));
  // A parameter server's header is longer; whoever sent one shall hear of it all the same.
  if (bytes.size() != kWeightHeaderBytes && header.magic != kMagic) {
    return Bad(
        absl::StrCat("frame header has ", bytes.size(), " bytes instead of ", kWeightHeaderBytes));
  }
  if (absl::Status status = CheckMagic(header); !status.ok()) return status;
  if (header.type < static_cast<uint8_t>(WeightFrameType::kHello) ||
      header.type > static_cast<uint8_t>(WeightFrameType::kPong)) {
    return Bad(absl::StrCat("unknown frame type ", header.type));
  }
  const auto type = static_cast<WeightFrameType>(header.type);
  if (!UsesOnlyItsFields(header)) {
    return Bad(absl::StrCat("a ", WeightFrameName(type), " frame has flags or a field set that it ",
                            "does not use"));
  }
  if (header.payload_bytes != payload_bytes) {
    return Bad(absl::StrCat("frame announces ", header.payload_bytes,
                            " payload bytes, the message has ", payload_bytes));
  }
  return header;
}

absl::Status CheckWeightPayload(const WeightFrameHeader& header,
                                absl::Span<const std::byte> payload) {
  if (HashPayload(payload) == header.payload_hash) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("payload of a ", WeightFrameName(static_cast<WeightFrameType>(header.type)),
                   " frame is damaged: hash mismatch"));
}

absl::string_view WeightFrameName(WeightFrameType type) {
  switch (type) {
    case WeightFrameType::kHello:
      return "hello";
    case WeightFrameType::kWelcome:
      return "welcome";
    case WeightFrameType::kRefuse:
      return "refuse";
    case WeightFrameType::kRequest:
      return "request";
    case WeightFrameType::kVersion:
      return "version";
    case WeightFrameType::kChanges:
      return "changes";
    case WeightFrameType::kWhole:
      return "whole";
    case WeightFrameType::kTaken:
      return "taken";
    case WeightFrameType::kPing:
      return "ping";
    case WeightFrameType::kPong:
      return "pong";
  }
  return "unknown";
}

void WriteWeightRecordHead(uint32_t tensor, uint32_t chunk, size_t difference_bytes,
                           std::byte* out) {
  assert(difference_bytes <= UINT32_MAX);
  const RecordHead head{
      .tensor = tensor, .chunk = chunk, .bytes = static_cast<uint32_t>(difference_bytes)};
  std::memcpy(out, &head, sizeof(head));
}

absl::StatusOr<WeightRecord> WeightRecordReader::Next() {
  RecordHead head;
  if (rest_.size() < sizeof(head)) {
    return Bad(absl::StrCat("records: ", rest_.size(), " bytes are too few for a record's head"));
  }
  std::memcpy(&head, rest_.data(), sizeof(head));
  if (head.reserved != 0) return Bad("records: a reserved field is not zero");
  const absl::Span<const std::byte> after = rest_.subspan(sizeof(head));
  if (head.bytes > after.size()) {
    return Bad(
        absl::StrCat("records: one has ", head.bytes, " bytes where ", after.size(), " are left"));
  }
  rest_ = after.subspan(head.bytes);
  return WeightRecord{head.tensor, head.chunk, after.first(head.bytes)};
}

}  // namespace tideway::wire
