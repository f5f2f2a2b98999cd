// Writer: the messages that wait to be written, and the gather list for the next write. No sockets
// in here.
//
// Used by the progress thread only.

#ifndef TIDEWAY_TRANSPORTS_TCP_WRITER_H_
#define TIDEWAY_TRANSPORTS_TCP_WRITER_H_

#include <array>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "asio/buffer.hpp"
#include "core/runtime/ring_queue.h"
#include "core/runtime/send_queue.h"
#include "tideway/transport.h"
#include "transports/tcp/frame.h"
#include "transports/tcp/turns.h"

namespace tideway::tcp {

class Writer {
 public:
  bool empty() const { return ops_.empty(); }
  void Push(SendOp op) { ops_.push_back(std::move(op)); }

  // The same for a message of which `written` bytes are out. REQUIRES: empty().
  void PushStarted(SendOp op, size_t written);

  // What to write next: many small messages or a part of a large one. Valid until the next call of
  // a method. REQUIRES: !empty().
  absl::Span<const asio::const_buffer> Gather();

  // The front message has much left. REQUIRES: !empty().
  bool InLargeMessage() {
    return kPrefixBytes + ops_.front().bytes() - front_written_bytes_ > kLargeBytes;
  }

  // `bytes` of the gather list were written. Messages that are out move to `finished`.
  void Advance(size_t bytes, RingQueue<SendOp>& finished);

  // The earliest deadline among those that wait; InfiniteFuture if there is none.
  absl::Time EarliestDeadline();

  // The messages that wait, the front one perhaps written in part; for the end of the connection.
  RingQueue<SendOp>& ops() { return ops_; }

 private:
  static constexpr size_t kBatchMessages = 16;
  static constexpr size_t kBatchParts = 64;  // what Asio hands to one writev

  // Adds what `skip` bytes leave of `part`, up to a turn's bytes, and takes from `skip` what the part used up.
  void AddPart(absl::Span<const std::byte> part, size_t& skip);

  RingQueue<SendOp> ops_;
  size_t front_written_bytes_ = 0;
  std::array<std::array<std::byte, kPrefixBytes>, kBatchMessages> prefixes_;
  std::array<asio::const_buffer, kBatchParts> parts_;
  size_t part_count_ = 0;
  size_t turn_bytes_left_ = 0;
};

// Writes what the socket takes of one message at once, without blocking; 0 also if it is broken, which its reader and
// the next write find out.
size_t WriteNow(int socket, const SendOp& op);

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_WRITER_H_
