// Control messages as bytes and as the public value types: the one place where Protobuf meets the rest of the core.

#ifndef TIDEWAY_CORE_WIRE_CONTROL_H_
#define TIDEWAY_CORE_WIRE_CONTROL_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/wire/frame.h"
#include "tideway/assignment.h"
#include "tideway/buffer.h"
#include "tideway/stats.h"

#include "core/wire/control.pb.h"

namespace tideway::wire {

// Serialises `message` into a buffer of `pool` and writes `header` (payload length and hash filled in) into the last
// kFrameHeaderBytes of its headroom: ready to send as one piece. RESOURCE_EXHAUSTED: pool empty or over kControlBytesMax.
absl::StatusOr<Buffer> PackControl(FrameHeader header, const google::protobuf::MessageLite& message,
                                   BufferPool& pool);

// INVALID_ARGUMENT if `payload` is not a serialised M.
template <typename M>
absl::StatusOr<M> UnpackControl(absl::Span<const std::byte> payload) {
  M message;
  if (payload.size() > kControlBytesMax ||
      !message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return absl::InvalidArgumentError("payload is no valid control message");
  }
  return message;
}

// A peer's text, fit for a log line: what is not printable ASCII becomes '?', and it ends after `bytes_max`.
std::string Printable(absl::string_view text, size_t bytes_max = 1024);

Refusal ToProto(const absl::Status& status);
// Never OK: a refusal that claims code OK or a code that does not exist is UNKNOWN.
absl::Status FromProto(const Refusal& refusal);

WorkerStatus ToProto(const tideway::WorkerStatus& status);
tideway::WorkerStatus FromProto(const WorkerStatus& proto);
Assignment ToProto(const tideway::Assignment& assignment);
tideway::Assignment FromProto(const Assignment& proto);
ServerStats ToProto(const tideway::ServerStats& stats);
tideway::ServerStats FromProto(const ServerStats& proto);

}  // namespace tideway::wire

#endif  // TIDEWAY_CORE_WIRE_CONTROL_H_
