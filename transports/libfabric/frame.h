// What travels through the fabric between two ends of a connection: one frame per fi_send. Pure; spec.md has the bytes.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_FRAME_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_FRAME_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tideway/limits.h"

namespace tideway::libfabric {

inline constexpr size_t kFrameHeaderBytes = 32;
inline constexpr size_t kRemotePartBytes = 24;
// A frame that announces a payload is never larger; one that carries it may be.
inline constexpr size_t kRemoteFrameBytesMax =
    kFrameHeaderBytes + kMessageHeaderBytesMax + kGatherPartsMax * kRemotePartBytes;
// Messages that one end may have sent and the other not yet be done with, per connection.
inline constexpr uint32_t kWindowMessages = 64;

enum class FrameType : uint8_t {
  kInline = 1,  // a message with its payload
  kRemote = 2,  // a message whose payload the receiver reads from the sender's memory
  kRead = 3,    // that payload has been read
  kCredit = 4,  // nothing but `finished`
};

// Memory of the sender that the receiver may read.
struct RemotePart {
  uint64_t address = 0;
  uint64_t key = 0;
  uint64_t bytes = 0;
};

struct Frame {
  FrameType type = FrameType::kCredit;
  uint64_t connection = 0;  // the receiver's name for the connection
  uint32_t sequence = 0;    // of the message: this one, or the one that was read
  uint32_t finished = 0;    // how many of the other end's messages this end is done with
  uint32_t payload_bytes = 0;
  absl::Span<const std::byte> header;
  absl::Span<const std::byte> payload;  // kInline
  size_t part_count = 0;                // kRemote
  std::array<RemotePart, kGatherPartsMax> parts;
};

size_t FrameBytes(const Frame& frame);

// Writes the frame; the payload of a kInline frame is gathered from `payload_parts` instead of frame.payload. REQUIRES:
// out.size() is enough.
size_t EncodeFrame(const Frame& frame, absl::Span<const absl::Span<const std::byte>> payload_parts,
                   absl::Span<std::byte> out);

// The connection that a frame is for, before anything else in it is believed. INVALID_ARGUMENT: no frame of ours.
absl::StatusOr<uint64_t> FrameConnection(absl::Span<const std::byte> in);

// INVALID_ARGUMENT for what no peer of this version sends, RESOURCE_EXHAUSTED for a size over its limit. The spans of the
// result lie in `in`. REQUIRES: FrameConnection was OK.
absl::Status DecodeFrame(absl::Span<const std::byte> in, Frame& frame);

static_assert(kMessagePayloadBytesMax <= 0xffffffff, "payload_bytes has 32 bits in the frame");
static_assert(kMessageHeaderBytesMax <= 0xffff, "header_bytes has 16 bits in the frame");

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_FRAME_H_
