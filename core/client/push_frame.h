// PushFrame: one encoded fragment on its way: its header, its payload, and whether a transport may still be reading the payload.
//
// The payload lies behind the header in the frame's own buffer, or it is lent: the user's own memory, where the encoding is what
// stands there anyway. Lent memory goes back to the user with the push's completion, so a push may complete only when the
// transport has let go of it; that may be later than the acknowledgement.
//
// Threads: LetGo from the transport's thread, the rest from the client's strands.

#ifndef TIDEWAY_CORE_CLIENT_PUSH_FRAME_H_
#define TIDEWAY_CORE_CLIENT_PUSH_FRAME_H_

#include <atomic>
#include <cstddef>
#include <utility>

#include "absl/types/span.h"
#include "tideway/buffer.h"

namespace tideway {

class PushFrame {
 public:
  // The payload is what `buffer` holds.
  explicit PushFrame(Buffer made)
      : buffer(std::move(made)), payload_(std::as_const(buffer).span()) {}
  // `buffer` has the headroom, the payload is lent.
  PushFrame(Buffer made, absl::Span<const std::byte> payload)
      : buffer(std::move(made)), payload_(payload), lent_(true) {}

  absl::Span<const std::byte> payload() const { return payload_; }
  bool lent() const { return lent_; }

  // The transport gets it. REQUIRES: it hasn't got it.
  void HandOver() { holder_.store(Holder::kTransport); }
  // The transport is done. True if somebody waits for that.
  bool LetGo() { return holder_.exchange(Holder::kNobody) == Holder::kAwaited; }
  // True if the transport has let go. Otherwise LetGo will say that somebody waits.
  bool TakeBack() {
    Holder transport = Holder::kTransport;
    return !holder_.compare_exchange_strong(transport, Holder::kAwaited) &&
           transport == Holder::kNobody;
  }

  Buffer buffer;

 private:
  enum class Holder { kNobody, kTransport, kAwaited };

  const absl::Span<const std::byte> payload_;
  const bool lent_ = false;
  std::atomic<Holder> holder_{Holder::kNobody};
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PUSH_FRAME_H_
