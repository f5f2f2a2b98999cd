// Outbound: what one end of a wrapped connection begins, messages and reads, on its way to the wrapped connection.
//
// They stand in one line, in the order of the calls; the front leaves when its time has come and nothing stalls. Who has left is
// remembered until the wrapped connection is done with it, so that the end of the connection completes everything exactly once
// and before OnClosed, also what reached the wrapped connection too late to be taken.
//
//   waiting  -> its turn, not stalled          -> begun with the wrapped connection
//   waiting  -> a deadline, a drop, Close      -> the wrapped connection is closed; all fail in OnClosed
//   begun    -> the wrapped connection's done  -> done
//
// Threads: Submit, Close, Stall, Resume from any thread; Fail from the progress thread. The lock is held while the wrapped
// connection is called (which calls nothing back from there), and never while a completion runs.

#ifndef TIDEWAY_TRANSPORTS_FAULT_OUTBOUND_H_
#define TIDEWAY_TRANSPORTS_FAULT_OUTBOUND_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tideway/executor.h"
#include "tideway/fault_transport.h"
#include "tideway/transport.h"
#include "transports/fault/dice.h"
#include "transports/fault/switchboard.h"

namespace tideway::fault {

// A message, or a read.
struct Op {
  bool is_read = false;
  Message message;
  std::vector<std::byte> descriptor;
  size_t offset = 0;
  absl::Span<std::byte> local;
  absl::Time deadline;
  Done done;

  size_t bytes() const { return message.header.size() + message.payload_bytes(); }
};

class Outbound final : public std::enable_shared_from_this<Outbound> {
 public:
  Outbound(std::shared_ptr<Connection> inner, Executor* executor, const FaultPlan& plan,
           std::shared_ptr<Switchboard> board, const Identity& identity);

  // Once, before anything else: it can be struck from now on.
  void Begin();
  void Submit(Op op);
  void Close(const absl::Status& reason);
  void Kill();
  void Stall();
  void Resume();
  // The wrapped connection is at its end: what it was not done with fails, and what the completions begin again, for some rounds.
  void Fail(const absl::Status& reason);

  Connection& inner() const { return *inner_; }
  const Identity& identity() const { return identity_; }

 private:
  struct Waiting {
    Op op;
    OutboundFate fate;
    uint64_t number = 0;
    absl::Time due;
  };
  struct Begun {
    Op op;
    OutboundFate fate;
    uint64_t number = 0;
  };

  absl::Status Admit(const Op& op) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enqueue(Op op) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Pump(absl::Time due) ABSL_LOCKS_EXCLUDED(mutex_);
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Late(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginStall(Waiting& next, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forward(Waiting next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Arm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Disarm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseLocked(const absl::Status& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(const Op& op) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<Op> TakeAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnDone(uint64_t id, const absl::Status& status);
  void Damage(const Begun& read);
  void Tell(FaultKind kind, uint64_t number, absl::Duration span, size_t byte);

  const std::shared_ptr<Connection> inner_;
  Executor* const executor_;
  const FaultPlan plan_;
  const std::shared_ptr<Switchboard> board_;
  const Identity identity_;

  absl::Mutex mutex_;
  Dice message_dice_ ABSL_GUARDED_BY(mutex_);
  Dice read_dice_ ABSL_GUARDED_BY(mutex_);
  uint64_t messages_drawn_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t reads_drawn_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Waiting> line_ ABSL_GUARDED_BY(mutex_);
  std::multiset<absl::Time> deadlines_ ABSL_GUARDED_BY(mutex_);  // of line_
  std::map<uint64_t, Begun> begun_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // of messages; like the counts, of line_ and begun_
  size_t messages_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t reads_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time last_due_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time stalled_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  TimerId timer_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time timer_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;  // nothing is begun any more
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;    // nothing is taken any more
};

}  // namespace tideway::fault

#endif  // TIDEWAY_TRANSPORTS_FAULT_OUTBOUND_H_
