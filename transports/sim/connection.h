// SimConnection: one end of a simulated connection, and what travels from it to the other end.
//
// A message waits in the send queue until the direction's bandwidth takes it (then its Done fires: the simulated kernel
// has a copy), travels as a Parcel, and arrives in two steps: its header (OnMessage) and then its payload. A close
// travels as a parcel too, behind what was sent before it.

#ifndef TIDEWAY_TRANSPORTS_SIM_CONNECTION_H_
#define TIDEWAY_TRANSPORTS_SIM_CONNECTION_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/runtime/ring_queue.h"
#include "core/runtime/send_queue.h"
#include "tideway/executor.h"
#include "tideway/transport.h"
#include "transports/sim/network.h"

namespace tideway::sim {

struct Parcel {
  absl::Time header_at;   // when its first step is due
  absl::Time payload_at;  // when its second is
  std::string header;
  size_t header_bytes = 0;  // once it has arrived
  std::vector<std::byte> payload;
  bool header_arrived = false;
  bool cut = false;          // the sender's end closed before the message was out
  bool breaks = false;       // the connection is reset before the payload arrives
  std::string close_reason;  // not empty: no message, but the end of the connection
};

class SimConnection final : public Connection, public std::enable_shared_from_this<SimConnection> {
 public:
  struct Identity {
    uint64_t id = 0;
    bool is_server = false;
    const Node* owner = nullptr;  // only compared
    std::string host;
    std::string peer_host;
    ConnectionInfo info;
  };

  SimConnection(std::shared_ptr<Network> network, Executor* executor, Identity identity);

  void Send(Message message, absl::Time deadline, Done done) override;
  void Close(absl::Status reason) override;
  ConnectionInfo info() const override { return identity_.info; }

  const Identity& identity() const { return identity_; }

  static void Join(const std::shared_ptr<SimConnection>& a,
                   const std::shared_ptr<SimConnection>& b);
  // From now on messages arrive here.
  void Open(std::shared_ptr<Receiver> receiver);
  // Closes this end; unless `silently`, the peer learns of it after what was sent before.
  void CloseNow(const absl::Status& reason, bool silently = false);
  bool closed() const { return closed_; }
  // The process of this end has died: it calls nothing back until CloseNow.
  void Freeze();
  // Nothing that this end sent from now on may arrive before `time`.
  void HoldUntil(absl::Time time) { last_arrival_ = std::max(last_arrival_, time); }
  // A partition healed, or the peer's end opened: what stood still goes on.
  void KickBoth();
  // Both ends close, in an event of their own.
  void BreakSoon();

 private:
  void Kick();
  void Pump();
  void StartTransmission();
  void OnTransmitted();
  void SendClose(std::string reason);
  void ScheduleArrival();
  void OnArrival(uint64_t epoch);
  void ArriveHeader(Parcel& parcel);
  void ArrivePayload(Parcel& parcel);
  void ArmDeadline();
  void OnDeadline();
  bool Partitioned() const { return network_->Partitioned(identity_.host, identity_.peer_host); }
  const SimLink& link() const { return network_->Link(identity_.host, identity_.peer_host); }

  const std::shared_ptr<Network> network_;
  Executor* const executor_;
  const Identity identity_;

  // This end.
  bool opened_ = false;
  bool closing_ = false;
  bool closed_ = false;
  bool frozen_ = false;
  std::shared_ptr<Receiver> receiver_;
  bool landing_active_ = false;
  Landing landing_;

  // On the way out.
  SendQueue queue_;
  RingQueue<SendOp> taken_;
  std::multiset<absl::Time> deadlines_;  // of taken_
  TimerId deadline_timer_ = 0;
  absl::Time deadline_armed_ = absl::InfiniteFuture();
  bool transmitting_ = false;
  uint64_t transmission_ = 0;  // outdates the events of one that was given up

  // On the way to the peer; the front is next.
  std::shared_ptr<SimConnection> peer_;
  std::deque<Parcel> flight_;
  absl::Time last_arrival_ = absl::InfinitePast();
  bool arrival_scheduled_ = false;
  uint64_t arrival_epoch_ = 0;
};

}  // namespace tideway::sim

#endif  // TIDEWAY_TRANSPORTS_SIM_CONNECTION_H_
