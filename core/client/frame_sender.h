// FrameSender: what the lanes of one server connection need of it.
//
// A lane keeps what must survive the connection (pushes without an acknowledgement, pulls and requests without an answer)
// and hands the frames to the sender while it is ready. All on the client's state strand.

#ifndef TIDEWAY_CORE_CLIENT_FRAME_SENDER_H_
#define TIDEWAY_CORE_CLIENT_FRAME_SENDER_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/client/shared_deltas.h"
#include "core/wire/frame.h"
#include "tideway/buffer.h"
#include "tideway/executor.h"

namespace tideway {

class FrameSender {
 public:
  virtual ~FrameSender() = default;

  // Hands are shaken, and the connection lives as far as we know.
  virtual bool ready() const = 0;
  virtual uint64_t session() const = 0;
  // Payloads go without a hash. REQUIRES: ready().
  virtual bool unhashed() const = 0;
  // Where the server finds `payload`, a part of `delta`, without our sending it; none: send it. REQUIRES: ready().
  virtual std::optional<wire::SharedPlace> SharedPlaceOf(const SharedDelta& delta,
                                                         absl::Span<const std::byte> payload) = 0;
  // ConnectionInfo's. REQUIRES: ready().
  virtual size_t send_ahead_bytes() const = 0;
  // A new id for a pull or request; never 0.
  virtual uint64_t NextRequestId() = 0;

  // Sends the frame whose header stands in the headroom of `frame` and whose payload is the rest. The buffer is read
  // until the connection has let go of it. REQUIRES: ready().
  virtual void SendFrame(std::shared_ptr<Buffer> frame) = 0;

  // The same, with the payload elsewhere: it is read until `let_go` is called, once, on the transport's thread.
  virtual void SendFrame(std::shared_ptr<Buffer> frame, absl::Span<const std::byte> payload,
                         Task let_go) = 0;

  // The peer broke the protocol or fell silent: closes this connection, makes a new one.
  virtual void Break(absl::Status reason) = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_FRAME_SENDER_H_
