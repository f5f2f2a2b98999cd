// The fixed header that stands in front of every message between a client and a server. docs/wire.md has the byte
// grammar and a worked example.
//
// Little-endian, 96 bytes, written into the headroom of the payload's buffer and sent as the transport's message header.
// Both header and payload carry an XXH3 hash, so that a damaged, truncated or foreign message is recognised before any
// field of it is believed.
//
// Pure functions on bytes: no threads, no ownership.

#ifndef TIDEWAY_CORE_WIRE_FRAME_H_
#define TIDEWAY_CORE_WIRE_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tideway/limits.h"

namespace tideway::wire {

inline constexpr uint32_t kMagic = 0x59574454;  // "TDWY"
inline constexpr uint8_t kVersion = 1;

enum class FrameType : uint8_t {
  kHello = 1,      // client -> server, control.proto Hello
  kWelcome = 2,    // server -> client, Welcome
  kRefuse = 3,     // either way, Refusal: the sender closes the connection after it
  kPush = 4,       // client -> server, one encoded fragment
  kPushAck = 5,    // server -> client, no payload
  kPull = 6,       // client -> server, no payload
  kPullReply = 7,  // server -> client, one encoded fragment
  kRequest = 8,    // client -> server, ControlRequest
  kReply = 9,      // server -> client, ControlReply
  kDiscover =
      10,  // client -> server, Discover: which paths are there; before the hello or instead of it
  kOffer = 11,  // server -> client, Offer
  kProbe =
      12,  // client -> server, any payload of at most kProbeBytesMax, to be measured; before the hello or instead of it
  kProbeAck = 13,  // server -> client, no payload: the probe with that sequence has landed
};

// What became of a push.
enum class Verdict : uint8_t {
  kNone = 0,
  kApplied = 1,
  kBuffered = 2,
  kRejected = 3,  // as stale
};

// flags
inline constexpr uint16_t kFlagDuplicate =
    1;  // kPushAck: recognised; `verdict` is the original one
inline constexpr uint16_t kFlagFailed =
    2;  // kPullReply: payload is a Refusal that says why this pull failed
inline constexpr uint16_t kFlagDifferences =
    4;  // kPullReply: payload is a row of differences (core/wire/chain_frames.h)
inline constexpr uint16_t kFlagUnhashed =
    8;  // kPush, kPullReply: payload_hash is 0 and stands for nothing. Only where both ends agreed to that.
inline constexpr uint16_t kFlagShared =
    16;  // kPush: there is no payload; the fragment's fp32 values lie in memory that the server has mapped (SharedPlace). Not hashed

struct FrameHeader {
  uint32_t magic = kMagic;
  uint8_t version = kVersion;
  uint8_t type = 0;  // FrameType
  uint16_t flags = 0;
  uint64_t session = 0;  // from Welcome; 0 before it
  uint64_t sequence =
      0;  // kPush: the push's identity; requests: chosen by the client, echoed in the answer
  uint64_t base_version =
      0;  // kPush: the version that the delta started from; kPull: the least version wanted
  uint64_t fragment_version = 0;  // answers: the fragment's version
  uint64_t durable_version = 0;  // kPushAck: the fragment's version in the newest complete snapshot
  uint64_t window = 0;           // kPull: the grace window to pull for, or 0
  uint64_t floor =
      0;  // kPush: every sequence below it has been acknowledged to the client, so the server
          // may forget it. kPull, kPullReply: the chain, see core/wire/chain_frames.h
  uint32_t fragment = 0;
  uint32_t elements = 0;     // of the fragment
  uint32_t inner_steps = 0;  // kPush: that made the delta
  uint8_t codec = 0;         // wire id of the payload's codec
  uint8_t verdict = 0;       // kPushAck
  uint16_t reserved = 0;
  uint64_t payload_hash = 0;  // XXH3-64 of the payload; 0 without one, and with kFlagUnhashed
  uint32_t payload_bytes = 0;
  uint32_t header_hash = 0;  // low 32 bits of XXH3-64 of the bytes before it
};

inline constexpr size_t kFrameHeaderBytes = 96;
static_assert(sizeof(FrameHeader) == kFrameHeaderBytes, "no padding");
static_assert(std::is_trivially_copyable_v<FrameHeader>);
static_assert(offsetof(FrameHeader, session) == 8);
static_assert(offsetof(FrameHeader, fragment) == 64);
static_assert(offsetof(FrameHeader, payload_hash) == 80);
static_assert(offsetof(FrameHeader, header_hash) == 92);
static_assert(kFrameHeaderBytes <= kMessageHeaderBytesMax);
static_assert(kMessagePayloadBytesMax <= UINT32_MAX, "payload_bytes is 32 bits");

// With kFlagShared: where in which shared memory of the session.
struct SharedPlace {
  uint64_t memory = 0;  // the number that Share gave it
  uint64_t offset = 0;  // in bytes
};
inline void SetShared(const SharedPlace& place, FrameHeader& header) {
  header.flags |= kFlagShared | kFlagUnhashed;
  header.durable_version = place.memory;
  header.window = place.offset;
  header.payload_bytes = 0;
  header.payload_hash = 0;
}
inline SharedPlace SharedPlaceOf(const FrameHeader& header) {
  return {.memory = header.durable_version, .offset = header.window};
}

uint64_t HashPayload(absl::Span<const std::byte> payload);

// Writes `header` with its magic, version and header_hash into `out`. REQUIRES: out.size() == kFrameHeaderBytes.
void WriteHeader(FrameHeader header, absl::Span<std::byte> out);

// The header in `bytes`, if it is one of ours and whole. INVALID_ARGUMENT says what is wrong: length, magic, version (both
// are named), hash, type, reserved bits, a missing payload_hash, or a payload_bytes that differs from what the transport
// announced.
// `unhashed`: both ends agreed that payloads may go without a hash.
absl::StatusOr<FrameHeader> ReadHeader(absl::Span<const std::byte> bytes, size_t payload_bytes,
                                       bool unhashed = false);

// DATA_LOSS if the payload is not what the sender hashed. OK if it was not hashed.
absl::Status CheckPayload(const FrameHeader& header, absl::Span<const std::byte> payload);
// What that is then.
absl::Status DamagedPayload(const FrameHeader& header);

absl::string_view TypeName(FrameType type);
absl::string_view VerdictName(Verdict verdict);

}  // namespace tideway::wire

#endif  // TIDEWAY_CORE_WIRE_FRAME_H_
