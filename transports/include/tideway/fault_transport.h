// FaultyTransport: any transport, made unreliable on purpose, for tests and simulations of what networks and processes do.
//
// Wrap the entry of a transport before it goes into a registry. Clients and servers of that Runtime then use it under its own
// scheme, and nothing else changes for them: a fault is only what any transport may do by its contract (delay, break), or what a
// damaged machine may do to it (a wrong byte).
//
//   fault            strikes                                         what the two ends see
//   delay            a message or a read that this end begins        it moves later; what was begun after it waits behind it
//   stall            the same                                        nothing of this end moves for a while, or until a deadline
//   drop             the same                                        the connection closes instead: UNAVAILABLE at both ends
//   reset            a payload that arrives at this end              a part of it arrives, its Landing's done and both ends' OnClosed
//                                                                    say UNAVAILABLE
//   corrupt header   a message that arrives at this end              one bit of its header is wrong
//   corrupt payload  the same                                        one bit of its payload is wrong, in the receiver's memory only
//   corrupt read     a read that this end began                      it is OK, and one bit of what it brought is wrong
//   kill             connections, by FaultControl                    UNAVAILABLE at both ends, at any moment
//   refuse           connecting and accepting, by FaultControl       connecting fails with UNAVAILABLE
//
// So an end that is wrapped suffers in what it sends from delay, stall and drop, and in what it receives from the others; wrap
// both ends to have everything strike in both directions.
//
// Determinism. What happens to the n-th message (or read) of a connection in one direction depends on the seed, on n, and on the
// connection's number, counted by the control over connects and accepts, each by itself. In a simulation one seed is one history.
//
// Threads: as transport.h says, for FaultyTransport; FaultControl may be used from any thread, also from a callback. Callbacks
// come from the wrapped transport's progress thread, also those of faults; the executor's threads only set things going.
// Limits: a message counts against kSendQueueBytesMax and kSendQueueMessagesMax from Send to its Done, held up or not.
//
//   FaultControl control;
//   transports.Add(WithFaults(std::move(entry), {.seed = 7, .reset_probability = 0.01}, control));
//   ...
//   control.KillAll();   // while a client pushes

#ifndef TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_FAULT_TRANSPORT_H_
#define TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_FAULT_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "tideway/transport.h"

namespace tideway {

namespace fault {
class Switchboard;
}

// Chances are of each message or read, from 0 to 1.
struct FaultPlan {
  uint64_t seed = 1;
  double delay_probability = 0;
  absl::Duration delay_min;  // a random time from this
  absl::Duration delay_max;  // up to this
  double stall_probability = 0;
  absl::Duration stall =
      absl::InfiniteDuration();  // infinite: until a deadline or FaultControl::Resume
  double drop_probability = 0;
  double reset_probability = 0;
  double corrupt_header_probability = 0;
  double corrupt_payload_probability = 0;
  double corrupt_read_probability = 0;
};

enum class FaultKind {
  kDelay,
  kStall,
  kDrop,
  kReset,
  kCorruptHeader,
  kCorruptPayload,
  kCorruptRead,
  kKill,
  kRefuse,
};

// A fault that struck. For a log that two runs can be compared by, and for telling a test's output from its cause.
struct FaultEvent {
  FaultKind kind = FaultKind::kDelay;
  std::string connection;  // "connect 3", "accept 1": the third Connect, the first accepted one
  uint64_t number = 0;     // of the message or read in its direction, from 1; 0: none
  absl::Duration span;     // of a delay or stall
  size_t byte = 0;         // that was damaged, or how much of the payload arrived before a reset

  std::string ToString() const;  // one line
};

// Strikes at moments that a test chooses, and counts what struck. A handle: copies share one state, which may serve several
// transports (both ends of a test, for example). Every verb works on all connections of them.
class FaultControl {
 public:
  FaultControl();

  // Close live connections: all of them (returns how many), or the oldest one (false: there is none).
  size_t KillAll();
  bool KillOldest();
  size_t connections() const;

  // While it holds, connecting fails and nobody is accepted. What is connected stays.
  void RefuseConnections(bool refuse);

  // Nothing that the wrapped ends send or read moves, on connections of now and later, until Resume. Deadlines go on.
  void Stall();
  // Ends every stall, the plan's too.
  void Resume();

  // The next message or read that `kind` can strike is struck, once per call. REQUIRES: kDrop, kReset or a kCorrupt*.
  void StrikeNext(FaultKind kind);

  uint64_t count(FaultKind kind) const;
  // Told of every fault, on the thread on which it strikes; one at a time. Must not call into this control or a connection.
  void SetObserver(std::function<void(const FaultEvent&)> observer);

 private:
  friend class FaultyTransport;

  std::shared_ptr<fault::Switchboard> board_;
};

class FaultyTransport final : public Transport {
 public:
  // `executor` outlives the transport and is the one that `inner` was made with.
  FaultyTransport(std::unique_ptr<Transport> inner, Executor* executor, const FaultPlan& plan,
                  const FaultControl& control);
  ~FaultyTransport() override;

  const TransportInfo& info() const override { return inner_->info(); }
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Uri& uri, AcceptHandler accept) override;
  void Connect(const Uri& uri, absl::Time deadline, std::shared_ptr<Receiver> receiver,
               ConnectDone done) override;
  void Stop() override;

 private:
  const std::unique_ptr<Transport> inner_;
  Executor* const executor_;
  const FaultPlan plan_;
  const std::shared_ptr<fault::Switchboard> board_;
};

// `entry`, and every instance that it makes wrapped. Names and schemes stay.
TransportEntry WithFaults(TransportEntry entry, const FaultPlan& plan,
                          const FaultControl& control = {});

}  // namespace tideway

#endif  // TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_FAULT_TRANSPORT_H_
