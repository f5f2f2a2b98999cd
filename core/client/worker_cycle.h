// WorkerCycle: what a worker does between two stretches of inner steps, as an asynchronous state machine:
//
//   Begin:                       next assignment -> pull its window -> ready
//   Exchange:  push the delta -> next assignment -> pull its window -> ready
//
// One exchange at a time. It knows nothing of training: LocalSgd drives it from a blocking face, simulations from completions.
//
// Threads: Begin and Exchange from any thread, one after the other; `done` comes as a completion of the client.
// Buffers: `delta` and `destination` may be the same memory; both belong to the cycle until `done`.
// Lifetime: `client` outlives every exchange. The WorkerCycle object itself may go first.
// Statuses: those of the client; whatever failed, nothing after it was tried.

#ifndef TIDEWAY_CORE_CLIENT_WORKER_CYCLE_H_
#define TIDEWAY_CORE_CLIENT_WORKER_CYCLE_H_

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tideway/client.h"

namespace tideway {

class WorkerCycle {
 public:
  struct Outcome {
    Assignment assignment;  // the next one
    PushReport push;        // empty after Begin
    PullReport pull;
  };
  using Done = absl::AnyInvocable<void(absl::StatusOr<Outcome>)>;

  explicit WorkerCycle(Client* client) : client_(client) {}

  void Begin(absl::Span<float> destination, absl::Time deadline, Done done);
  void Exchange(absl::Span<const float> delta, const Arrival& arrival,
                absl::Span<float> destination, absl::Time deadline, Done done);

 private:
  Client* const client_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_WORKER_CYCLE_H_
