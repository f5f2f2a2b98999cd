// Sender: turns queued messages into active messages of UCX, a bounded number at a time, and completes them in order.
//
// Threads: the progress thread. It allocates nothing per message: the slots are reused, and UCX has its own pool of requests.

#ifndef TIDEWAY_TRANSPORTS_UCX_SENDER_H_
#define TIDEWAY_TRANSPORTS_UCX_SENDER_H_

#include <ucp/api/ucp.h>

#include <array>
#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/runtime/ring_queue.h"
#include "core/runtime/send_queue.h"
#include "transports/ucx/context.h"
#include "transports/ucx/wire.h"

namespace tideway::ucx {

// Messages that UCX has in hand at once. A small one may lie in the peer's queue until the peer looks; a large one waits in
// the sender's memory until the peer fetches it.
inline constexpr size_t kSendsInFlightMax = 64;

class Sender {
 public:
  Sender() : slots_(std::make_unique<std::array<Slot, kSendsInFlightMax>>()) {}

  void Push(SendOp op) { ops_.push_back(std::move(op)); }
  // Hands UCX as much as may be in flight.
  absl::Status Pump(Worker& worker);
  // Completes what is out, in the order of sending, until `closing`. True if there was something.
  bool Finish(SendQueue& queue, const std::atomic<bool>& closing);

  // UNAVAILABLE once a send has failed.
  const absl::Status& status() const { return status_; }
  absl::Time EarliestDeadline();
  bool idle() const { return ops_.empty(); }
  bool in_flight() const { return started_ > 0; }
  uint64_t messages_started() const { return next_sequence_; }
  // All that is not completed; in flight or not. For the end of the connection, when the worker is gone.
  RingQueue<SendOp>& ops() { return ops_; }

 private:
  struct Slot {
    Sender* sender;
    bool out;
    std::array<std::byte, kMessagePrefixBytes + kMessageHeaderBytesMax> header;
    std::array<ucp_dt_iov_t, kGatherPartsMax> parts;
  };

  static void OnOut(void* request, ucs_status_t status, void* slot);
  void Start(Worker& worker, SendOp& op);
  Slot& SlotOf(uint64_t sequence) { return (*slots_)[sequence % kSendsInFlightMax]; }

  const std::unique_ptr<std::array<Slot, kSendsInFlightMax>> slots_;
  RingQueue<SendOp> ops_;  // the first started_ of them are in flight
  size_t started_ = 0;
  uint64_t next_sequence_ = 0;
  absl::Status status_;
  RingQueue<SendOp> finished_;  // reused by Finish
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_SENDER_H_
