// StripedConnection: one connection over several sockets to the same peer, with a StripeSender and a StripeReceiver. Large
// payloads are spread over all of them, so that one lost segment or one small congestion window does not hold up the rest.
//
// Threads as in connection.h: Send and Close from any thread, all else on the progress thread. An error on any stream ends the
// connection. Where the peer ends a stream in an orderly way, what its other streams still bring is read first, for as long
// as anything comes.

#ifndef TIDEWAY_TRANSPORTS_TCP_STRIPED_CONNECTION_H_
#define TIDEWAY_TRANSPORTS_TCP_STRIPED_CONNECTION_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "core/runtime/ring_queue.h"
#include "core/runtime/send_queue.h"
#include "tideway/transport.h"
#include "transports/tcp/handler_memory.h"
#include "transports/tcp/loop.h"
#include "transports/tcp/stripe_receiver.h"
#include "transports/tcp/stripe_sender.h"

namespace tideway::tcp {

class StripedConnection final : public Connection,
                                public Closable,
                                public std::enable_shared_from_this<StripedConnection> {
 public:
  using Socket = asio::ip::tcp::socket;

  // `sockets` are connected and greeted, in the order of their index. Errors as for TcpConnection.
  static absl::StatusOr<std::shared_ptr<StripedConnection>> Create(std::shared_ptr<Loop> loop,
                                                                   std::vector<Socket> sockets);

  // Public for make_shared; use Create.
  StripedConnection(std::shared_ptr<Loop> loop, std::vector<Socket> sockets, ConnectionInfo info);

  void Send(Message message, absl::Time deadline, Done done) override;
  void Close(absl::Status reason) override;
  ConnectionInfo info() const override { return info_; }

  // Begins to receive. Progress thread.
  void Start(std::shared_ptr<Receiver> receiver);
  void CloseOnLoop(const absl::Status& reason) override;

 private:
  struct Stream {
    explicit Stream(Socket connected) : socket(std::move(connected)) {}
    Socket socket;
    bool reading = false;
    bool writing = false;
    bool ended = false;  // by the peer
    bool write_failed = false;
    HandlerMemory read_memory;
    HandlerMemory write_memory;
  };

  void OnWoken();
  void Flush();  // without having been woken
  void PushArriving();
  void StartWrites();
  void StartWrite(size_t index);
  void OnWritten(size_t index, const asio::error_code& error, size_t bytes);
  void FinishSends();
  void StartReads();
  void StartRead(size_t index);
  void OnRead(size_t index, const asio::error_code& error, size_t bytes);
  void OnEnded(size_t index);
  void CloseIfNothingIsRead();
  void AwaitRest();
  void ArmDeadline(absl::Time deadline);
  void OnDeadline(const asio::error_code& error);
  absl::Status ReasonFor(const asio::error_code& error) const;

  const std::shared_ptr<Loop> loop_;
  const ConnectionInfo info_;
  std::atomic<bool> closing_{false};  // Close was called, or it is closed
  SendQueue queue_;
  HandlerMemory flush_memory_;  // whoever the queue told to wake the progress thread has it

  // The rest belongs to the progress thread.
  bool closed_ = false;
  std::deque<Stream> streams_;
  StripeSender sender_;
  StripeReceiver inbound_;
  std::shared_ptr<Receiver> receiver_;
  std::optional<asio::steady_timer> timer_;  // of deadlines
  absl::Time armed_deadline_ = absl::InfiniteFuture();
  std::optional<asio::steady_timer> rest_timer_;  // once a stream has ended
  uint64_t reads_ = 0;
  RingQueue<SendOp> arriving_;  // reused
  RingQueue<SendOp> finished_;  // reused
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_STRIPED_CONNECTION_H_
