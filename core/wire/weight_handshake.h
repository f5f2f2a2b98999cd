// The handshake of weight sync as bytes and as values: where Protobuf meets it.

#ifndef TIDEWAY_CORE_WIRE_WEIGHT_HANDSHAKE_H_
#define TIDEWAY_CORE_WIRE_WEIGHT_HANDSHAKE_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/wire/weight_frames.h"
#include "tideway/buffer.h"
#include "tideway/weights.h"

#include "core/wire/weights.pb.h"

namespace tideway::wire {

// Serialises `message` into a buffer of `pool` and writes `header` (payload length and hash filled in) into the last
// kWeightHeaderBytes of its headroom: ready to send as one piece. RESOURCE_EXHAUSTED: pool empty or over kWeightTableBytesMax.
absl::StatusOr<Buffer> PackWeightMessage(WeightFrameHeader header,
                                         const google::protobuf::MessageLite& message,
                                         BufferPool& pool);

// INVALID_ARGUMENT if `payload` is not a serialised M.
template <typename M>
absl::StatusOr<M> UnpackWeightMessage(absl::Span<const std::byte> payload) {
  M message;
  if (payload.size() > kWeightTableBytesMax ||
      !message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return absl::InvalidArgumentError("payload is no valid message of weight sync's handshake");
  }
  return message;
}

// False, and nothing is added, if the tensors' table would be longer than kWeightTableBytesMax allows.
bool AddTensors(absl::Span<const WeightSpec> tensors, WeightWelcome& welcome);
// Whatever the peer wrote there, at most kTensorsMax of it: to be compared, not to be trusted.
std::vector<WeightSpec> TensorsOf(const WeightWelcome& welcome);

}  // namespace tideway::wire

#endif  // TIDEWAY_CORE_WIRE_WEIGHT_HANDSHAKE_H_
