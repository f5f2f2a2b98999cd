// Listeners: all addresses of one server, and the paths that it can offer to a client that leaves the choice to us.
//
// An address `auto://host:port` becomes one listener per provider that can work here, each on a port of its own, and at last
// the one on the given port by which clients come to ask. That one is tcp's or, where the program has no tcp, its first
// transport's that reaches other hosts.
//
// Threads: any, not in parallel. Destroying it stops listening; accepted connections live on.

#ifndef TIDEWAY_CORE_SERVER_LISTENERS_H_
#define TIDEWAY_CORE_SERVER_LISTENERS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/wire/control.h"
#include "tideway/runtime.h"
#include "tideway/transport.h"

namespace tideway {

class Listeners {
 public:
  using Accept = std::function<std::shared_ptr<Receiver>(std::shared_ptr<Connection>)>;
  // Told what the server offers, before the listener that answers questions about it is opened.
  using OnOffer = std::function<void(const wire::Offer&)>;

  // `runtime` outlives it.
  Listeners(Runtime* runtime, Accept accept, OnOffer on_offer);

  // Listens on all of `addresses`. Errors name the address.
  absl::Status Open(const std::vector<std::string>& addresses);
  // The bound addresses, in the order in which they were given; auto:// stays auto://.
  const std::vector<std::string>& addresses() const { return addresses_; }
  void Close() { listeners_.clear(); }

 private:
  absl::Status OpenPlain(const Uri& uri);
  absl::Status OpenAuto(const Uri& uri);
  // One listener per provider, or the reason why there is none, as a path of the offer.
  void OfferProviders(const std::string& host, const std::string& but_scheme);
  void OfferProvider(const ProviderInfo& provider, const std::string& host);
  absl::StatusOr<Uri> Listen(const Uri& uri);

  Runtime* const runtime_;
  const Accept accept_;
  const OnOffer on_offer_;
  wire::Offer offer_;
  std::vector<std::string> addresses_;
  std::vector<std::unique_ptr<Listener>> listeners_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_LISTENERS_H_
