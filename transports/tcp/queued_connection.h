// QueuedConnection: what a TCP connection does between Send and the socket, whether it has one stream or several: messages wait
// in a bounded queue, the progress thread is woken for them once, deadlines are kept, completions fire.
//
// Threads: Send and Close from any thread; all else on the progress thread.

#ifndef TIDEWAY_TRANSPORTS_TCP_QUEUED_CONNECTION_H_
#define TIDEWAY_TRANSPORTS_TCP_QUEUED_CONNECTION_H_

#include <atomic>
#include <memory>
#include <optional>

#include "asio/error_code.hpp"
#include "asio/steady_timer.hpp"
#include "core/runtime/ring_queue.h"
#include "core/runtime/send_queue.h"
#include "tideway/transport.h"
#include "transports/tcp/handler_memory.h"
#include "transports/tcp/loop.h"

namespace tideway::tcp {

class QueuedConnection : public Connection,
                         public Closable,
                         public std::enable_shared_from_this<QueuedConnection> {
 public:
  void Send(Message message, absl::Time deadline, Done done) override;
  void Close(absl::Status reason) override;
  ConnectionInfo info() const override { return info_; }

 protected:
  QueuedConnection(std::shared_ptr<Loop> loop, ConnectionInfo info);

  // Registers `connection` with its loop, or closes it. CANCELLED: the loop is stopping.
  template <typename T>
  static absl::StatusOr<std::shared_ptr<T>> Registered(std::shared_ptr<T> connection) {
    if (connection->loop_->Register(connection)) return connection;
    const absl::Status stopped = absl::CancelledError("the transport was stopped");
    connection->CloseOnLoop(stopped);
    return stopped;
  }

  // Any thread. True: it has taken `op`. False: `op` is untouched.
  virtual bool SendDirectly(SendOp& /*op*/) { return false; }
  virtual void PushOut(SendOp op) = 0;
  virtual void WriteOut() = 0;
  virtual absl::Time EarliestDeadline() = 0;  // of what was pushed out and is not finished
  virtual bool InMidMessage() const = 0;      // of what arrives

  // Hands over what was sent, without having been woken.
  void Flush();
  // Completes what `finished_` holds.
  void FinishSends();
  void FailSend(Done done, const absl::Status& status);
  void ArmDeadline(absl::Time deadline);
  void CloseForStreamError(const absl::Status& status);
  absl::Status ReasonFor(const asio::error_code& error) const;
  // How CloseOnLoop begins; false: it was called before.
  bool BeginClosing();
  // How it ends: fails `unsent` and what waits, and tells the receiver.
  void FinishClosing(RingQueue<SendOp>& unsent, const absl::Status& reason);
  bool closed() const { return !timer_.has_value(); }

  const std::shared_ptr<Loop> loop_;
  const ConnectionInfo info_;
  std::atomic<bool> closing_{false};  // Close was called, or it is closed
  SendQueue queue_;
  std::shared_ptr<Receiver> receiver_;
  RingQueue<SendOp> arriving_;  // reused
  RingQueue<SendOp> finished_;  // reused

 private:
  void OnWoken();
  void HandOver();
  void OnDeadline(const asio::error_code& error);

  HandlerMemory flush_memory_;  // whoever the queue told to wake the progress thread has it
  std::optional<asio::steady_timer> timer_;  // none: closed
  absl::Time armed_deadline_ = absl::InfiniteFuture();
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_QUEUED_CONNECTION_H_
