// PushFrame: one encoded fragment on its way: its header, its payload, and whether a transport may still be reading them.
//
// The payload lies behind the header in the frame's own buffer, or it is lent: the user's own memory, where the encoding is what
// stands there anyway. Lent memory goes back to the user with the push's completion, so a push may complete only when the
// transport has let go of it; that may be later than the acknowledgement.
//
// Threads: whoever has the part that the frame belongs to; with_transport: the state strand.

#ifndef TIDEWAY_CORE_CLIENT_PUSH_FRAME_H_
#define TIDEWAY_CORE_CLIENT_PUSH_FRAME_H_

#include <cstddef>
#include <utility>

#include "absl/types/span.h"
#include "tideway/buffer.h"

namespace tideway {

struct PushFrame {
  // The payload is what `made` holds.
  explicit PushFrame(Buffer made)
      : buffer(std::move(made)), payload(std::as_const(buffer).span()) {}
  // `made` has the headroom, the payload is lent.
  PushFrame(Buffer made, absl::Span<const std::byte> lent_payload)
      : buffer(std::move(made)), payload(lent_payload), lent(true) {}

  Buffer buffer;
  const absl::Span<const std::byte> payload;
  const bool lent = false;
  bool with_transport = false;
  size_t bytes_leaving = 0;  // of the payload, with the transport
  uint64_t shared_nonce =
      0;  // of the shared memory that a server was told to read it from; 0: it was not
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PUSH_FRAME_H_
