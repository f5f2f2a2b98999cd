// Connector: one attempt to connect: finds the addresses of a name, tries them in turn, greets, and gives up at the deadline.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_CONNECTOR_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_CONNECTOR_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tideway/transport.h"
#include "transports/libfabric/connection.h"
#include "transports/libfabric/domains.h"
#include "transports/libfabric/loop.h"
#include "transports/libfabric/provider.h"
#include "transports/libfabric/socket.h"

namespace tideway::libfabric {

class Connector final : public Closable,
                        public Watcher,
                        public std::enable_shared_from_this<Connector> {
 public:
  Connector(std::shared_ptr<Loop> loop, std::shared_ptr<Domains> domains, const Provider& provider,
            Uri uri, std::shared_ptr<Receiver> receiver, ConnectDone done);

  // Loop's thread. `done` is called later, exactly once.
  void Start(absl::Time deadline);
  void CloseOnLoop(const absl::Status& reason) override { Finish(reason); }
  absl::Time OnTime(absl::Time now) override;
  void OnReady(uint32_t events) override;

 private:
  void Resolve();
  void OnResolved(absl::StatusOr<std::vector<SocketAddress>> addresses);
  void TryNext();
  void OnConnected();
  absl::Status Greet();
  void OnGreeting();
  void OnWelcome(Greeting welcome);
  void Fail(const absl::Status& status);
  void ForgetSocket();
  void Finish(absl::Status status);

  const std::shared_ptr<Loop> loop_;
  const std::shared_ptr<Domains> domains_;
  const Provider& provider_;
  const Uri uri_;
  std::shared_ptr<Receiver> receiver_;
  ConnectDone done_;  // empty: finished
  absl::Time deadline_ = absl::InfiniteFuture();
  std::vector<SocketAddress> addresses_;
  size_t next_address_ = 0;
  std::string last_error_;
  Descriptor socket_;
  uint64_t watch_ = 0;
  bool connected_ = false;
  std::shared_ptr<Domain> domain_;
  uint64_t id_ = 0;  // of the connection to come
  std::string local_;
  std::array<std::byte, kGreetingBytesMax> in_;
  size_t in_bytes_ = 0;
};

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_CONNECTOR_H_
