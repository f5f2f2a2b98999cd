// ReadQueue: the one-sided reads of one end that wait for the callback queue, and their end when the connection ends.
//
// Threads: Push from any thread; the rest from the callback queue. No completion fires while the lock is held.

#ifndef TIDEWAY_TRANSPORTS_INPROC_READ_QUEUE_H_
#define TIDEWAY_TRANSPORTS_INPROC_READ_QUEUE_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "core/runtime/ring_queue.h"
#include "tideway/one_sided.h"

namespace tideway::inproc {

struct ReadOp {
  std::vector<std::byte> descriptor;
  size_t offset = 0;
  absl::Span<std::byte> local;
  absl::Time deadline;
  OneSided::Done done;
};

class ReadQueue {
 public:
  // Takes the read in, or says why not and leaves `op` alone. `wake`: the queue was empty.
  absl::Status Push(ReadOp& op, bool& wake);

  std::optional<ReadOp> Pop();

  // Fails what waits with `reason`; `for_good`, also what its completions ask again, and then takes nothing more.
  void Fail(const absl::Status& reason, bool for_good);

 private:
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  RingQueue<ReadOp> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway::inproc

#endif  // TIDEWAY_TRANSPORTS_INPROC_READ_QUEUE_H_
