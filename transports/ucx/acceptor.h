// Acceptor: a listening socket on the progress thread; each connection to it becomes the side channel of a UCX connection.
// UcxListener is the handle that a program holds.

#ifndef TIDEWAY_TRANSPORTS_UCX_ACCEPTOR_H_
#define TIDEWAY_TRANSPORTS_UCX_ACCEPTOR_H_

#include <memory>
#include <optional>
#include <unordered_set>

#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "tideway/transport.h"
#include "transports/ucx/handshake.h"
#include "transports/ucx/loop.h"
#include "transports/ucx/settings.h"

namespace tideway::ucx {

class Acceptor final : public Closable, public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(std::shared_ptr<Shared> shared, Settings settings, AcceptHandler accept);

  // Binds and listens. Any thread, before Start.
  absl::Status Open(const Uri& uri);
  uint16_t port() const { return port_; }

  // Progress thread.
  void Start();
  void CloseOnLoop(const absl::Status& reason) override;

 private:
  // One that shakes hands and is given up after a while.
  struct Guest {
    std::shared_ptr<Handshake> handshake;
    std::optional<asio::steady_timer> timer;
  };

  absl::Status OpenAt(const asio::ip::tcp::endpoint& endpoint, const Uri& uri);
  void AcceptNext();
  void OnAccepted(const asio::error_code& error, asio::ip::tcp::socket socket);
  void OnShaken(const std::shared_ptr<Guest>& guest, absl::StatusOr<Link> link);
  void DropGuest(const std::shared_ptr<Guest>& guest);
  void PauseAfter(const asio::error_code& error);

  const std::shared_ptr<Shared> shared_;
  const std::shared_ptr<Loop> loop_;
  const Settings settings_;
  AcceptHandler accept_;
  std::optional<asio::ip::tcp::acceptor> acceptor_;  // none: closed
  std::optional<asio::steady_timer> pause_;
  std::unordered_set<std::shared_ptr<Guest>> guests_;
  uint16_t port_ = 0;
};

class UcxListener final : public Listener {
 public:
  UcxListener(std::shared_ptr<Loop> loop, std::shared_ptr<Acceptor> acceptor, Uri address);
  // Returns when the port is free again and no accept callback runs or will run; called from a
  // callback, it does not wait for that callback.
  ~UcxListener() override;

  Uri address() const override { return address_; }

 private:
  const std::shared_ptr<Loop> loop_;
  const std::shared_ptr<Acceptor> acceptor_;
  const Uri address_;
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_ACCEPTOR_H_
