// What stands on the streams of a connection that has several: on stream 0 plain messages (frame.h), the heads of striped
// messages, and chunks; on the others chunks alone. Pure; spec.md has the bytes.
//
// StripeWindow is the rule that both ends keep: how many striped messages may be open at once, so that a receiver needs
// bounded memory and yet never waits for something that stands behind what it waits with.

#ifndef TIDEWAY_TRANSPORTS_TCP_STRIPE_FRAME_H_
#define TIDEWAY_TRANSPORTS_TCP_STRIPE_FRAME_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tideway/limits.h"
#include "transports/tcp/frame.h"

namespace tideway::tcp {

// A payload of at least one chunk is striped.
inline constexpr size_t kChunkBytes = size_t{256} << 10;
inline constexpr size_t kChunksMax = (kMessagePayloadBytesMax + kChunkBytes - 1) / kChunkBytes;
inline constexpr size_t kChunkFrameBytes = 16;
inline constexpr size_t kFrameMagicBytes = 4;

inline size_t ChunksOf(size_t payload_bytes) {
  return (payload_bytes + kChunkBytes - 1) / kChunkBytes;
}
// All are of the same size but for the last.
inline size_t BytesOfChunk(size_t index, size_t payload_bytes) {
  return std::min(kChunkBytes, payload_bytes - index * kChunkBytes);
}

enum class FrameKind { kMessage, kStripedHead, kChunk };

// INVALID_ARGUMENT: no frame of ours begins so. REQUIRES: in.size() >= kFrameMagicBytes.
absl::StatusOr<FrameKind> KindOf(absl::Span<const std::byte> in);

// The same for fewer bytes: says no as soon as it is certain.
absl::Status CheckBeginning(absl::Span<const std::byte> in);

// A striped message's head is a prefix with another magic. REQUIRES as in frame.h.
void EncodeStripedHead(const Prefix& prefix, absl::Span<std::byte> out);
absl::StatusOr<Prefix> DecodeStripedHead(absl::Span<const std::byte> in);

struct ChunkFrame {
  size_t index = 0;      // of the chunk in its payload
  uint64_t message = 0;  // how many striped messages stand before this one in its direction
};

// REQUIRES: at least kChunkFrameBytes, and for DecodeChunk the magic of one.
void EncodeChunk(const ChunkFrame& chunk, absl::Span<std::byte> out);
ChunkFrame DecodeChunk(absl::Span<const std::byte> in);

class StripeWindow {
 public:
  bool Fits(size_t payload_bytes) const {
    return messages_ == 0 ||
           (messages_ < kStripedMessagesOpenMax && bytes_ + payload_bytes <= kStripedBytesOpenMax);
  }
  void Open(size_t payload_bytes) {
    ++messages_;
    bytes_ += payload_bytes;
  }
  void Shut(size_t payload_bytes) {
    --messages_;
    bytes_ -= payload_bytes;
  }

 private:
  size_t messages_ = 0;
  size_t bytes_ = 0;
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_STRIPE_FRAME_H_
