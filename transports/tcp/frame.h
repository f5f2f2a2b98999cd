// The prefix in front of every message on the stream. Pure; spec.md has the bytes.

#ifndef TIDEWAY_TRANSPORTS_TCP_FRAME_H_
#define TIDEWAY_TRANSPORTS_TCP_FRAME_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tideway/limits.h"

namespace tideway::tcp {

inline constexpr size_t kPrefixBytes = 12;

// What one connection may read or write before it is another one's turn.
inline constexpr size_t kTurnBytes = size_t{512} << 10;

struct Prefix {
  size_t header_bytes = 0;
  size_t payload_bytes = 0;
};

// REQUIRES: the sizes are within the limits of limits.h; out.size() >= kPrefixBytes.
void EncodePrefix(const Prefix& prefix, absl::Span<std::byte> out);

// Looks at the first bytes of a message, as few as there are. INVALID_ARGUMENT if no prefix of ours
// begins like this.
absl::Status CheckMagic(absl::Span<const std::byte> in);

// INVALID_ARGUMENT for what no peer of this version sends, RESOURCE_EXHAUSTED for a size over its
// limit. REQUIRES: in.size() >= kPrefixBytes.
absl::StatusOr<Prefix> DecodePrefix(absl::Span<const std::byte> in);

static_assert(kMessageHeaderBytesMax <= 0xffff, "header_bytes has 16 bits in the prefix");
static_assert(kMessagePayloadBytesMax <= 0xffffffff, "payload_bytes has 32 bits in the prefix");

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_FRAME_H_
