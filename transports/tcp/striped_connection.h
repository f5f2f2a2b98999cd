// StripedConnection: one connection over several sockets to the same peer, with a StripeSender and a StripeReceiver. Large
// payloads are spread over all of them, so that one lost segment or one small congestion window does not hold up the rest.
//
// Threads as in queued_connection.h: Send and Close from any thread, all else on the progress thread. An error on any stream ends the
// connection. Where the peer ends a stream in an orderly way, what its other streams still bring is read first, for as long
// as anything comes.

#ifndef TIDEWAY_TRANSPORTS_TCP_STRIPED_CONNECTION_H_
#define TIDEWAY_TRANSPORTS_TCP_STRIPED_CONNECTION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "transports/tcp/handler_memory.h"
#include "transports/tcp/queued_connection.h"
#include "transports/tcp/stripe_receiver.h"
#include "transports/tcp/stripe_sender.h"

namespace tideway::tcp {

class StripedConnection final : public QueuedConnection {
 public:
  using Socket = asio::ip::tcp::socket;

  // `sockets` are connected and greeted, in the order of their index. Errors as for TcpConnection.
  static absl::StatusOr<std::shared_ptr<StripedConnection>> Create(std::shared_ptr<Loop> loop,
                                                                   std::vector<Socket> sockets);

  // Public for make_shared; use Create.
  StripedConnection(std::shared_ptr<Loop> loop, std::vector<Socket> sockets, ConnectionInfo info);

  // Begins to receive. Progress thread.
  void Start(std::shared_ptr<Receiver> receiver);
  void CloseOnLoop(const absl::Status& reason) override;

 private:
  struct Stream {
    explicit Stream(Socket connected) : socket(std::move(connected)) {}
    std::optional<Socket> socket;  // none: closed
    bool reading = false;
    bool writing = false;
    bool ended = false;  // by the peer
    bool write_failed = false;
    HandlerMemory read_memory;
    HandlerMemory write_memory;
  };

  void PushOut(SendOp op) override { sender_.Push(std::move(op)); }
  void WriteOut() override;
  absl::Time EarliestDeadline() override { return sender_.EarliestDeadline(); }
  bool InMidMessage() const override { return inbound_.InMidMessage(); }

  std::shared_ptr<StripedConnection> Self() {
    return std::static_pointer_cast<StripedConnection>(shared_from_this());
  }
  void StartWrite(size_t index);
  void OnWritten(size_t index, const asio::error_code& error, size_t bytes);
  void StartReads();
  void StartRead(size_t index);
  void OnRead(size_t index, const asio::error_code& error, size_t bytes);
  void OnEnded(size_t index);
  void CloseIfNothingIsRead();
  void AwaitRest();

  // Progress thread.
  std::deque<Stream> streams_;
  StripeSender sender_;
  StripeReceiver inbound_;
  std::optional<asio::steady_timer> rest_timer_;  // once a stream has ended
  uint64_t reads_ = 0;
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_STRIPED_CONNECTION_H_
