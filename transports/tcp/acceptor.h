// Acceptor: a listening socket on the progress thread; TcpListener is the handle that a program
// holds.

#ifndef TIDEWAY_TRANSPORTS_TCP_ACCEPTOR_H_
#define TIDEWAY_TRANSPORTS_TCP_ACCEPTOR_H_

#include <memory>
#include <optional>

#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "tideway/transport.h"
#include "transports/tcp/loop.h"
#include "transports/tcp/socket_options.h"

namespace tideway::tcp {

class Acceptor final : public Closable, public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(std::shared_ptr<Loop> loop, AcceptHandler accept);

  // Binds and listens. Any thread, before Start.
  absl::Status Open(const Uri& uri, const Params& params);
  uint16_t port() const { return port_; }

  // Progress thread.
  void Start();
  void CloseOnLoop(const absl::Status& reason) override;

 private:
  absl::Status OpenAt(const asio::ip::tcp::endpoint& endpoint, const Uri& uri,
                      const Params& params);
  void AcceptNext();
  void OnAccepted(const asio::error_code& error, asio::ip::tcp::socket socket);
  void PauseAfter(const asio::error_code& error);

  const std::shared_ptr<Loop> loop_;
  AcceptHandler accept_;
  std::optional<asio::ip::tcp::acceptor> acceptor_;  // none: closed
  std::optional<asio::steady_timer> pause_;
  uint16_t port_ = 0;
};

class TcpListener final : public Listener {
 public:
  TcpListener(std::shared_ptr<Loop> loop, std::shared_ptr<Acceptor> acceptor, Uri address);
  // Returns when the port is free again and no accept callback runs or will run; called from a
  // callback, it does not wait for that callback.
  ~TcpListener() override;

  Uri address() const override { return address_; }

 private:
  const std::shared_ptr<Loop> loop_;
  const std::shared_ptr<Acceptor> acceptor_;
  const Uri address_;
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_ACCEPTOR_H_
