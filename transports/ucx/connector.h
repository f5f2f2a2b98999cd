// Connector: one attempt to connect: finds the addresses of a name, tries them in turn, shakes hands, and gives up at the
// deadline.

#ifndef TIDEWAY_TRANSPORTS_UCX_CONNECTOR_H_
#define TIDEWAY_TRANSPORTS_UCX_CONNECTOR_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "tideway/transport.h"
#include "transports/ucx/handshake.h"
#include "transports/ucx/loop.h"
#include "transports/ucx/settings.h"

namespace tideway::ucx {

class Connector final : public Closable, public std::enable_shared_from_this<Connector> {
 public:
  Connector(std::shared_ptr<Shared> shared, Uri uri, Settings settings,
            std::shared_ptr<Receiver> receiver, ConnectDone done);

  // Progress thread. `done` is called later, exactly once.
  void Start(absl::Time deadline);
  void CloseOnLoop(const absl::Status& reason) override { Finish(reason); }

 private:
  void Resolve();
  void TryNext();
  void OnConnected();
  void OnShaken(absl::StatusOr<Link> link);
  void Finish(absl::Status status);
  void FinishLate();

  const std::shared_ptr<Shared> shared_;
  const std::shared_ptr<Loop> loop_;
  const Uri uri_;
  const Settings settings_;
  std::shared_ptr<Receiver> receiver_;
  ConnectDone done_;  // empty: finished
  std::optional<asio::steady_timer> timer_;
  std::optional<asio::ip::tcp::resolver> resolver_;
  std::optional<asio::ip::tcp::socket> socket_;
  std::shared_ptr<Handshake> handshake_;
  std::vector<asio::ip::tcp::endpoint> endpoints_;
  size_t next_endpoint_ = 0;
  std::string last_error_;
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_CONNECTOR_H_
