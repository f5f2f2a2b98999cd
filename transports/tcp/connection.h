// TcpConnection: one socket with a Writer and a Reader.
//
// Send and Close may come from any thread: Send puts the message into a bounded queue under a mutex
// and wakes the progress thread if it has not been woken; all else happens there (QueuedConnection). No
// callback is made while the mutex is held. One shortcut: a small message on an idle connection is written by the
// thread that sends it, which saves the way over the progress thread; only its Done comes from there.
//
// The handle stays valid after its transport was destroyed, but must not be called any more, only
// dropped.

#ifndef TIDEWAY_TRANSPORTS_TCP_CONNECTION_H_
#define TIDEWAY_TRANSPORTS_TCP_CONNECTION_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "asio/ip/tcp.hpp"
#include "transports/tcp/handler_memory.h"
#include "transports/tcp/queued_connection.h"
#include "transports/tcp/reader.h"
#include "transports/tcp/writer.h"

namespace tideway::tcp {

class TcpConnection final : public QueuedConnection {
 public:
  // `socket` is connected. UNAVAILABLE if the peer is gone again or the loop is stopping.
  static absl::StatusOr<std::shared_ptr<TcpConnection>> Create(std::shared_ptr<Loop> loop,
                                                               asio::ip::tcp::socket socket);

  // Public for make_shared; use Create.
  TcpConnection(std::shared_ptr<Loop> loop, asio::ip::tcp::socket socket, ConnectionInfo info);

  // Where the socket goes if it turns out to be one stream of several: then this connection ends, having received nothing.
  // False: it can't go there. Progress thread, before Start.
  using HandOver = std::function<bool(asio::ip::tcp::socket& socket)>;
  void SetHandOver(HandOver hand_over) { hand_over_ = std::move(hand_over); }

  // Begins to receive. Progress thread.
  void Start(std::shared_ptr<Receiver> receiver);
  void CloseOnLoop(const absl::Status& reason) override;

 private:
  // Writes a small message at once, on the caller's thread, if nothing is under way.
  bool SendDirectly(SendOp& op) override;
  void PushOut(SendOp op) override { writer_.Push(std::move(op)); }
  void WriteOut() override;
  absl::Time EarliestDeadline() override { return writer_.EarliestDeadline(); }
  bool InMidMessage() const override { return reader_.InMidMessage(); }

  std::shared_ptr<TcpConnection> Self() {
    return std::static_pointer_cast<TcpConnection>(shared_from_this());
  }
  void OnSentDirectly();
  void StartWrite();
  void WriteInTurn();
  void OnWritten(const asio::error_code& error, size_t bytes);
  void OnFirstBytes();
  void StartRead();
  void ReadInTurn();
  // False: nothing more is to be read.
  bool OnRead(const asio::error_code& error, size_t bytes);

  // What SendDirectly has written and the progress thread has not yet heard of. The socket's number is -1 once it is
  // closed; the mutex is held over the system call, which does not block, so that nobody else gets that number.
  absl::Mutex direct_mutex_;
  int direct_socket_ ABSL_GUARDED_BY(direct_mutex_);
  std::optional<SendOp> direct_op_ ABSL_GUARDED_BY(direct_mutex_);
  size_t direct_written_ ABSL_GUARDED_BY(direct_mutex_) = 0;
  HandlerMemory direct_memory_;  // of whoever owns the queue

  // The rest belongs to the progress thread.
  std::optional<asio::ip::tcp::socket> socket_;  // none: closed
  HandOver hand_over_;
  Writer writer_;
  Reader reader_;
  bool writing_ = false;
  bool write_failed_ = false;
  HandlerMemory read_memory_;
  HandlerMemory write_memory_;
};

// "127.0.0.1:5000" or "[::1]:5000"
std::string EndpointText(const asio::ip::tcp::endpoint& endpoint);

// Sets a connected socket's options and says what it is: one of `streams`. UNAVAILABLE: the peer is gone again.
absl::StatusOr<ConnectionInfo> PrepareSocket(asio::ip::tcp::socket& socket, size_t streams);

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_CONNECTION_H_
