// StripeSender: the messages that wait to be written on several streams, and each stream's next gather list. Small messages and
// heads go to stream 0 in order; whichever stream has nothing to write takes the next chunk, so that a slow stream gets few.
// No sockets in here.
//
// Used by the progress thread only.

#ifndef TIDEWAY_TRANSPORTS_TCP_STRIPE_SENDER_H_
#define TIDEWAY_TRANSPORTS_TCP_STRIPE_SENDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "asio/buffer.hpp"
#include "core/runtime/ring_queue.h"
#include "core/runtime/send_queue.h"
#include "transports/tcp/stripe_frame.h"

namespace tideway::tcp {

class StripeSender {
 public:
  explicit StripeSender(size_t streams) : streams_(streams) {}

  void Push(SendOp op);

  // What `stream` writes next; empty: nothing for now. Valid until Advance for this stream.
  absl::Span<const asio::const_buffer> Gather(size_t stream);

  // `bytes` of the stream's gather list were written. Messages that are out on all streams move to `finished`.
  void Advance(size_t stream, size_t bytes, RingQueue<SendOp>& finished);

  // The earliest deadline among those that wait; InfiniteFuture if there is none.
  absl::Time EarliestDeadline() const;

  // Moves all that are not out to `out`, in order; for the end of the connection.
  void TakeAll(RingQueue<SendOp>& out);

 private:
  static constexpr size_t kBatchPieces = 16;
  static constexpr size_t kBatchParts = 64;  // what Asio hands to one writev

  struct Outgoing {
    SendOp op;
    size_t chunks = 0;  // 0: not striped
    size_t chunks_given = 0;
    uint64_t number = 0;  // among the striped ones
    size_t pieces_left = 0;
  };
  using Ticket = std::list<Outgoing>::iterator;

  // A frame, and the part of its message that follows it.
  struct Piece {
    Ticket message;
    std::array<std::byte, kChunkFrameBytes> frame;
    size_t frame_bytes = 0;
    bool with_header = false;
    size_t payload_begin = 0;
    size_t payload_bytes = 0;

    size_t bytes() const {
      return frame_bytes + (with_header ? message->op.message.header.size() : 0) + payload_bytes;
    }
  };

  struct Stream {
    RingQueue<Piece> pieces;
    size_t written_bytes = 0;  // of the front one
    std::array<asio::const_buffer, kBatchParts> parts;
    size_t part_count = 0;
  };

  void Fill(size_t stream);
  bool HeadMayGo() const;
  void GiveHead(Stream& stream);
  void GiveChunk(Stream& stream);
  static void AddPiece(Stream& stream, const Piece& piece, size_t& skip);

  std::vector<Stream> streams_;
  std::list<Outgoing> messages_;
  Ticket next_head_ = messages_.end();
  RingQueue<Ticket> spreading_;  // their heads are given, not all of their chunks
  StripeWindow window_;          // of what is in spreading_
  uint64_t striped_count_ = 0;
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_STRIPE_SENDER_H_
