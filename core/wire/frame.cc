#include "core/wire/frame.h"

#include <bit>
#include <cassert>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/wire/payload_scan.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tideway::wire {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the wire is little-endian and headers are copied as they are in memory");

constexpr uint16_t kFlagsKnown =
    kFlagDuplicate | kFlagFailed | kFlagDifferences | kFlagUnhashed | kFlagShared;

// Only a push, which is not hashed then.
bool MayBeShared(const FrameHeader& header) {
  return static_cast<FrameType>(header.type) == FrameType::kPush && header.payload_bytes == 0 &&
         (header.flags & kFlagUnhashed) != 0;
}

bool MayGoUnhashed(const FrameHeader& header) {
  const auto type = static_cast<FrameType>(header.type);
  return (type == FrameType::kPush || type == FrameType::kPullReply) && header.payload_hash == 0;
}

uint32_t HashHeader(const FrameHeader& header) {
  return static_cast<uint32_t>(XXH3_64bits(&header, offsetof(FrameHeader, header_hash)));
}

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

// A wrong magic or version, which is either a stranger's, for good, or ours and damaged on the way: then the hash fits once it is
// put right, and sending again will help.
absl::Status Foreign(FrameHeader header, const std::string& what) {
  header.magic = kMagic;
  header.version = kVersion;
  return header.header_hash == HashHeader(header) ? absl::DataLossError(what) : Bad(what);
}

}  // namespace

uint64_t HashPayload(absl::Span<const std::byte> payload) {
  return payload.empty() ? 0 : HashBytes(payload);
}

void WriteHeader(FrameHeader header, absl::Span<std::byte> out) {
  assert(out.size() == kFrameHeaderBytes);
  header.magic = kMagic;
  header.version = kVersion;
  header.reserved = 0;
  header.header_hash = HashHeader(header);
  std::memcpy(out.data(), &header, sizeof(header));
}

absl::StatusOr<FrameHeader> ReadHeader(absl::Span<const std::byte> bytes, size_t payload_bytes,
                                       bool unhashed) {
  if (bytes.size() != kFrameHeaderBytes) {
    return Bad(
        absl::StrCat("frame header has ", bytes.size(), " bytes instead of ", kFrameHeaderBytes));
  }
  FrameHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.magic != kMagic) {
    return Foreign(header, absl::StrFormat("frame begins with %08x, not with Tideway's magic %08x",
                                           header.magic, kMagic));
  }
  // Before the hash: another version may hash otherwise, and the peer deserves to hear which one we speak.
  if (header.version != kVersion) {
    return Foreign(header,
                   absl::StrCat("peer speaks wire version ", header.version, ", this end speaks ",
                                kVersion, "; run the same release on both ends"));
  }
  if (header.header_hash != HashHeader(header))
    return absl::DataLossError("frame header is damaged: hash mismatch");
  if (header.type < static_cast<uint8_t>(FrameType::kHello) ||
      header.type > static_cast<uint8_t>(FrameType::kProbeAck)) {
    return Bad(absl::StrCat("unknown frame type ", header.type));
  }
  if ((header.flags & ~kFlagsKnown) != 0 || header.reserved != 0 ||
      header.verdict > static_cast<uint8_t>(Verdict::kRejected)) {
    return Bad("frame header has unknown flags or a verdict out of range");
  }
  if ((header.flags & kFlagUnhashed) != 0 && !(unhashed && MayGoUnhashed(header))) {
    return Bad(absl::StrCat("the payload of a ", TypeName(static_cast<FrameType>(header.type)),
                            " frame must be hashed over this connection"));
  }
  if ((header.flags & kFlagShared) != 0 && !MayBeShared(header)) {
    return Bad(absl::StrCat("a ", TypeName(static_cast<FrameType>(header.type)),
                            " frame can't have its payload in shared memory like this"));
  }
  if (header.payload_bytes != payload_bytes) {
    return Bad(absl::StrCat("frame announces ", header.payload_bytes,
                            " payload bytes, the message has ", payload_bytes));
  }
  return header;
}

absl::Status CheckPayload(const FrameHeader& header, absl::Span<const std::byte> payload) {
  if ((header.flags & kFlagUnhashed) != 0) return absl::OkStatus();
  if (HashPayload(payload) == header.payload_hash) return absl::OkStatus();
  return DamagedPayload(header);
}

absl::Status DamagedPayload(const FrameHeader& header) {
  return absl::DataLossError(absl::StrCat("payload of a ",
                                          TypeName(static_cast<FrameType>(header.type)),
                                          " frame is damaged: hash mismatch"));
}

absl::string_view TypeName(FrameType type) {
  switch (type) {
    case FrameType::kHello:
      return "hello";
    case FrameType::kWelcome:
      return "welcome";
    case FrameType::kRefuse:
      return "refuse";
    case FrameType::kPush:
      return "push";
    case FrameType::kPushAck:
      return "push-ack";
    case FrameType::kPull:
      return "pull";
    case FrameType::kPullReply:
      return "pull-reply";
    case FrameType::kRequest:
      return "request";
    case FrameType::kReply:
      return "reply";
    case FrameType::kDiscover:
      return "discover";
    case FrameType::kOffer:
      return "offer";
    case FrameType::kProbe:
      return "probe";
    case FrameType::kProbeAck:
      return "probe-ack";
  }
  return "unknown";
}

absl::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNone:
      return "none";
    case Verdict::kApplied:
      return "applied";
    case Verdict::kBuffered:
      return "buffered";
    case Verdict::kRejected:
      return "rejected";
  }
  return "unknown";
}

}  // namespace tideway::wire
