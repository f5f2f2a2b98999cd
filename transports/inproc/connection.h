// InprocConnection: one end of a connection inside a process. A message goes from the sender's memory into the
// receiver's destination by one copy, made by the transport's callback queue; a one-sided read is a copy as well, which
// no receiver hears of.

#ifndef TIDEWAY_TRANSPORTS_INPROC_CONNECTION_H_
#define TIDEWAY_TRANSPORTS_INPROC_CONNECTION_H_

#include <atomic>
#include <functional>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "core/runtime/ring_queue.h"
#include "core/runtime/send_queue.h"
#include "tideway/transport.h"
#include "transports/inproc/callback_queue.h"
#include "transports/inproc/exposed_table.h"
#include "transports/inproc/read_queue.h"

namespace tideway::inproc {

class InprocConnection;

// The ends that are open, so that Stop can close them. Touched by the callback queue only.
using OpenEnds = absl::flat_hash_set<std::shared_ptr<InprocConnection>>;

class InprocConnection final : public Connection,
                               public OneSided,
                               public std::enable_shared_from_this<InprocConnection> {
 public:
  InprocConnection(std::shared_ptr<CallbackQueue> queue, std::shared_ptr<OpenEnds> open_ends,
                   std::shared_ptr<ExposedTable> exposed, ConnectionInfo info);

  void Send(Message message, absl::Time deadline, Done done) override;
  void Close(absl::Status reason) override;
  ConnectionInfo info() const override { return info_; }
  OneSided* one_sided() override { return this; }

  absl::StatusOr<std::shared_ptr<ExposedMemory>> Expose(
      absl::Span<const std::byte> memory) override;
  void Read(absl::Span<const std::byte> descriptor, size_t offset, absl::Span<std::byte> local,
            absl::Time deadline, OneSided::Done done) override;

  // The rest is called by the callback queue.
  static void Join(const std::shared_ptr<InprocConnection>& a,
                   const std::shared_ptr<InprocConnection>& b);
  void Open(std::shared_ptr<Receiver> receiver);
  void CloseNow(const absl::Status& reason);

 private:
  void Deliver();
  // The front message of `taken_`. False if the connection is about to close.
  bool DeliverFront();
  void FinishFront();
  void ServeReads();
  // False if the connection has closed.
  bool ServeRead(ReadOp op);

  const std::shared_ptr<CallbackQueue> callbacks_;
  const std::shared_ptr<OpenEnds> open_ends_;
  const std::shared_ptr<ExposedTable> exposed_;
  const ConnectionInfo info_;
  std::atomic<bool> closing_{false};
  SendQueue queue_;
  ReadQueue reads_;

  // The callback queue's.
  bool closed_ = false;
  std::shared_ptr<InprocConnection> peer_;
  std::shared_ptr<Receiver> receiver_;
  RingQueue<SendOp> taken_;
};

}  // namespace tideway::inproc

#endif  // TIDEWAY_TRANSPORTS_INPROC_CONNECTION_H_
