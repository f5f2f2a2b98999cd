// Acceptor: a listening socket on the progress thread, and the greetings of those who came; OfiListener is the handle that a
// program holds.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_ACCEPTOR_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_ACCEPTOR_H_

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "tideway/transport.h"
#include "transports/libfabric/domains.h"
#include "transports/libfabric/greeting.h"
#include "transports/libfabric/loop.h"
#include "transports/libfabric/provider.h"
#include "transports/libfabric/socket.h"

namespace tideway::libfabric {

class Acceptor final : public Closable,
                       public Watcher,
                       public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(std::shared_ptr<Loop> loop, std::shared_ptr<Domains> domains, const Provider& provider,
           AcceptHandler accept);
  ~Acceptor() override;

  // Binds and listens. Any thread, before Start.
  absl::Status Open(const Uri& uri);
  uint16_t port() const { return socket_.port; }

  // Loop's thread. UNAVAILABLE: the provider can't be used at this address.
  absl::Status Start();
  void CloseOnLoop(const absl::Status& reason) override;
  absl::Time OnTime(absl::Time now) override;
  void OnReady(uint32_t events) override;

 private:
  // Somebody who came and has not said all yet.
  struct Guest;

  void AcceptSome();
  void StopAccepting();
  void OnGuest(Guest* guest);
  void Drop(Guest* guest);
  void Refuse(Guest* guest, const absl::Status& status);
  absl::Status Admit(Guest* guest, const Greeting& hello);

  const std::shared_ptr<Loop> loop_;
  const std::shared_ptr<Domains> domains_;
  const Provider& provider_;
  AcceptHandler accept_;
  ListeningSocket socket_;
  std::string host_;
  uint64_t watch_ = 0;  // 0: accepts nothing now
  bool closed_ = false;
  absl::Time resume_at_ = absl::InfiniteFuture();
  absl::flat_hash_map<Guest*, std::unique_ptr<Guest>> guests_;
};

class OfiListener final : public Listener {
 public:
  OfiListener(std::shared_ptr<Loop> loop, std::shared_ptr<Acceptor> acceptor, Uri address);
  // Returns when the port is free again and no accept callback runs or will run; called from a callback, it does not wait
  // for that callback.
  ~OfiListener() override;

  Uri address() const override { return address_; }

 private:
  const std::shared_ptr<Loop> loop_;
  const std::shared_ptr<Acceptor> acceptor_;
  const Uri address_;
};

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_ACCEPTOR_H_
