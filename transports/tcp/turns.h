// Turns: of all connections that have much to read (or much to write) only one does so at a time, until its message is whole or its
// socket has no more. So a small message of any other connection waits for one piece (kTurnBytes), however many move large ones;
// and a large one is whole, and used, while it is still in a cache.
//
// Who asked is called when its turn comes, never inside the call. It then moves one piece and calls Again or Pass; one that has been
// closed meanwhile calls Pass. Used by the progress thread only.

#ifndef TIDEWAY_TRANSPORTS_TCP_TURNS_H_
#define TIDEWAY_TRANSPORTS_TCP_TURNS_H_

#include <cstddef>
#include <utility>

#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "core/runtime/ring_queue.h"
#include "tideway/executor.h"

namespace tideway::tcp {

// What has so much left is large: its pieces take turns. Moving less takes about as long as asking for a turn.
inline constexpr size_t kLargeBytes = size_t{64} << 10;

class Turns {
 public:
  explicit Turns(asio::io_context* io) : io_(io) {}

  void Ask(Task go) {
    if (std::exchange(taken_, true)) {
      waiting_.push_back(std::move(go));
    } else {
      Again(std::move(go));
    }
  }

  // Keeps the turn for another piece, after whatever else the loop has to do.
  void Again(Task go) {
    asio::post(*io_, [go = std::move(go)]() mutable { std::move(go)(); });
  }

  // Ends the turn.
  void Pass() {
    taken_ = !waiting_.empty();
    if (taken_) Again(waiting_.pop_front());
  }

 private:
  asio::io_context* const io_;
  bool taken_ = false;
  RingQueue<Task> waiting_;
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_TURNS_H_
