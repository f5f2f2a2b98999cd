// Outbox: the messages of one connection on their way out: those that wait, and those that were sent, until the peer is done
// with them. No sockets and no fabric in here, but it registers memory that the peer shall read.
//
// Sends complete in the order in which they were sent, so a message that went out whole still waits for an earlier one that
// the peer is reading. What is kept is bounded by the limits of SendQueue.
//
// Used by the loop's thread only.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_OUTBOX_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_OUTBOX_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/runtime/ring_queue.h"
#include "core/runtime/send_queue.h"
#include "transports/libfabric/frame.h"
#include "transports/libfabric/memory.h"

namespace tideway::libfabric {

class Outbox {
 public:
  void Push(SendOp op) { waiting_.push_back(std::move(op)); }

  // Whether a message waits, and the peer's window has room for it.
  bool CanSend() const { return !waiting_.empty() && sent_ - peer_finished_ < kWindowMessages; }

  // Fills in what the next message is; registers its payload if it does not fit into a frame of `frame_bytes`. May be
  // called again if the frame could not be sent. REQUIRES: CanSend().
  absl::Status Prepare(Device& device, size_t frame_bytes, Frame& frame);
  // Of the message that was prepared.
  absl::Span<const absl::Span<const std::byte>> payload_parts() {
    return waiting_.front().message.payload;
  }
  // The frame is out.
  void Sent();

  // What a frame of the peer says. INVALID_ARGUMENT: no honest peer says that.
  absl::Status OnFinished(uint32_t finished);
  absl::Status OnRead(uint32_t sequence);

  // Takes out the oldest message if it is complete.
  bool PopComplete(SendOp& op);

  uint32_t sent() const { return sent_; }
  bool peer_reads() const { return unread_ > 0; }
  absl::Time EarliestDeadline();
  // All messages, in order; the registrations are gone.
  void TakeAll(RingQueue<SendOp>& out);

 private:
  struct Sending {
    SendOp op;
    bool complete = false;
    absl::InlinedVector<Registration, 2> registrations;
  };

  absl::Status Register(Device& device, Frame& frame);

  RingQueue<SendOp> waiting_;
  RingQueue<Sending> sending_;
  absl::InlinedVector<Registration, 2> prepared_;  // of the front of waiting_
  bool prepared_remote_ = false;
  uint32_t sent_ = 0;
  uint32_t peer_finished_ = 0;
  size_t unread_ = 0;
};

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_OUTBOX_H_
