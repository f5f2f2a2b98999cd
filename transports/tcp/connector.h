// Connector: one attempt to connect: finds the addresses of a name, tries them in turn, connects further sockets to the one that
// answers if the connection shall have several streams, and gives up at the deadline.

#ifndef TIDEWAY_TRANSPORTS_TCP_CONNECTOR_H_
#define TIDEWAY_TRANSPORTS_TCP_CONNECTOR_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "tideway/transport.h"
#include "transports/tcp/greeting.h"
#include "transports/tcp/loop.h"
#include "transports/tcp/socket_options.h"

namespace tideway::tcp {

class Connector final : public Closable, public std::enable_shared_from_this<Connector> {
 public:
  Connector(std::shared_ptr<Loop> loop, Uri uri, Params params, std::shared_ptr<Receiver> receiver,
            ConnectDone done);

  // Progress thread. `done` is called later, exactly once.
  void Start(absl::Time deadline);
  void CloseOnLoop(const absl::Status& reason) override { Finish(reason); }

 private:
  void Resolve();
  void TryNext();
  void OnConnected();
  void JoinStreams(size_t streams);
  void JoinStream(size_t index);
  void OnJoined(size_t index, const asio::error_code& error);
  template <typename AnyConnection>
  void HandOut(absl::StatusOr<std::shared_ptr<AnyConnection>> connection);
  void Finish(absl::Status status);
  void FinishLate();

  const std::shared_ptr<Loop> loop_;
  const Uri uri_;
  const Params params_;
  std::shared_ptr<Receiver> receiver_;
  ConnectDone done_;  // empty: finished
  std::optional<asio::steady_timer> timer_;
  std::optional<asio::ip::tcp::resolver> resolver_;
  std::optional<asio::ip::tcp::socket> socket_;
  std::vector<asio::ip::tcp::endpoint> endpoints_;
  size_t next_endpoint_ = 0;                    // the one before it is being tried, or stands
  std::vector<asio::ip::tcp::socket> streams_;  // of one connection; empty: it has one
  size_t streams_missing_ = 0;
  Token token_ = {};
  std::string last_error_;
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_CONNECTOR_H_
