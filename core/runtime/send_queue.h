// SendQueue: what every transport does between Connection::Send and its progress thread: check a message against the
// limits, keep it in a bounded queue, and fail what waits when the connection ends.
//
// Threads: Push from any thread; the rest from the progress thread. No completion fires while the lock is held.

#ifndef TIDEWAY_CORE_RUNTIME_SEND_QUEUE_H_
#define TIDEWAY_CORE_RUNTIME_SEND_QUEUE_H_

#include <cstddef>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/runtime/ring_queue.h"
#include "tideway/transport.h"

namespace tideway {

struct SendOp {
  SendOp() = default;
  // What Connection::Send was given.
  SendOp(Message the_message, absl::Time the_deadline, Done the_done)
      : message(std::move(the_message)),
        payload_bytes(message.payload_bytes()),
        deadline(the_deadline),
        done(std::move(the_done)) {}

  Message message;
  size_t payload_bytes = 0;
  absl::Time deadline;
  Done done;

  // What counts against the queue's limit.
  size_t bytes() const { return message.header.size() + payload_bytes; }
};

class SendQueue {
 public:
  // Takes the message in, or says why not and leaves `op` alone: CANCELLED once closed, RESOURCE_EXHAUSTED or
  // INVALID_ARGUMENT for a limit. `wake`: the progress thread must be told to Take; it is told once.
  absl::Status Push(SendOp& op, bool& wake);

  // For a thread that writes its message by itself: true if the message is fit and nothing else is under way. It then
  // counts against the limits until Release, and Take gives nothing until Disown, so that nothing overtakes it.
  bool TryOwn(const SendOp& op);
  // Progress thread. TakeUnasked must follow: the wake-up for what came in between may have been used up.
  void Disown();

  // Moves all that came since the last Take to the end of `out`. It counts against the limits until Release.
  void Take(RingQueue<SendOp>& out);
  // The same where the progress thread looks without having been woken: a wake-up that is on its way stays the only one.
  void TakeUnasked(RingQueue<SendOp>& out);

  // These messages are out.
  void Release(size_t bytes, size_t messages);
  // The same, and completes them. `sent` is empty then.
  void Complete(RingQueue<SendOp>& sent);

  // Fails what `taken` holds and what waits here. What their completions send again is failed too, but not for ever:
  // after some rounds, or when nothing comes any more, the queue is closed.
  void Close(RingQueue<SendOp>& taken, const absl::Status& reason);

 private:
  void TakeLocked(RingQueue<SendOp>& out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool told_ ABSL_GUARDED_BY(mutex_) = false;  // a wake-up is on its way
  bool owned_ ABSL_GUARDED_BY(mutex_) = false;
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t messages_ ABSL_GUARDED_BY(mutex_) = 0;
  RingQueue<SendOp> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_SEND_QUEUE_H_
