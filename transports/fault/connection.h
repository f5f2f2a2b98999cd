// FaultyConnection: one end of a wrapped connection. Towards the user it is the Connection; towards the wrapped connection it is
// the Receiver, where the faults of what arrives are made.
//
// Ownership: the wrapped connection holds it until OnClosed, and it holds the wrapped one and, until OnClosed, the user's
// receiver.

#ifndef TIDEWAY_TRANSPORTS_FAULT_CONNECTION_H_
#define TIDEWAY_TRANSPORTS_FAULT_CONNECTION_H_

#include <cstdint>
#include <memory>

#include "tideway/executor.h"
#include "tideway/fault_transport.h"
#include "tideway/transport.h"
#include "transports/fault/dice.h"
#include "transports/fault/outbound.h"
#include "transports/fault/switchboard.h"

namespace tideway::fault {

class FaultyConnection final : public Connection, public Receiver, private OneSided {
 public:
  FaultyConnection(Executor* executor, const FaultPlan& plan, std::shared_ptr<Switchboard> board,
                   const Identity& identity);

  // The wrapped connection stands. Before it is handed out.
  void Begin(std::shared_ptr<Connection> inner);
  // Who receives; null: nobody (any more). Progress thread.
  void SetReceiver(std::shared_ptr<Receiver> receiver) { receiver_ = std::move(receiver); }

  void Send(Message message, absl::Time deadline, Done done) override;
  void Close(absl::Status reason) override;
  ConnectionInfo info() const override;
  OneSided* one_sided() override;

  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override;
  void OnClosed(const absl::Status& reason) override;

 private:
  absl::StatusOr<std::shared_ptr<ExposedMemory>> Expose(
      absl::Span<const std::byte> memory) override;
  void Read(absl::Span<const std::byte> descriptor, size_t offset, absl::Span<std::byte> local,
            absl::Time deadline, Done done) override;

  bool Strikes(FaultKind kind, bool drawn) { return drawn || board_->TakeArmed(kind); }
  void Tell(FaultKind kind, uint64_t number, size_t byte);
  absl::StatusOr<Landing> Ask(absl::Span<const std::byte> header, size_t payload_bytes,
                              const InboundFate& fate, uint64_t number);
  absl::Status Reset(Landing landing, uint64_t where, uint64_t number);
  Landing Damaged(Landing landing, uint64_t where, uint64_t number);

  Executor* const executor_;
  const FaultPlan plan_;
  const std::shared_ptr<Switchboard> board_;
  const Identity identity_;
  std::shared_ptr<Outbound> outbound_;  // set once, by Begin
  // The progress thread's.
  std::shared_ptr<Receiver> receiver_;
  Dice arrivals_;
  uint64_t arrived_ = 0;
};

}  // namespace tideway::fault

#endif  // TIDEWAY_TRANSPORTS_FAULT_CONNECTION_H_
