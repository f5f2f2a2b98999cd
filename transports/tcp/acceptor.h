// Acceptor: a listening socket on the progress thread; TcpListener is the handle that a program holds.
//
// Who connects from far away, or to an address that asks for several streams, may be one stream of several, and becomes a
// connection only when it has said something (Newcomers). All others become one at once; should such a one greet, its
// connection ends and its socket goes the same way.

#ifndef TIDEWAY_TRANSPORTS_TCP_ACCEPTOR_H_
#define TIDEWAY_TRANSPORTS_TCP_ACCEPTOR_H_

#include <memory>
#include <optional>
#include <vector>

#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "tideway/transport.h"
#include "transports/tcp/loop.h"
#include "transports/tcp/newcomers.h"
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
  void OnPlain(asio::ip::tcp::socket socket);
  void OnStreams(std::vector<asio::ip::tcp::socket> sockets);
  template <typename AnyConnection>
  void HandOut(const std::shared_ptr<AnyConnection>& connection);
  void PauseAfter(const asio::error_code& error);

  const std::shared_ptr<Loop> loop_;
  AcceptHandler accept_;
  std::optional<asio::ip::tcp::acceptor> acceptor_;  // none: closed
  std::optional<asio::steady_timer> pause_;
  std::shared_ptr<Newcomers> newcomers_;
  bool expects_streams_ = false;  // the address asks for several
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
