// Domains: the domains that a transport instance has opened so far, by provider and local address. A wildcard listener thus
// gets the one of whichever adapter a peer came through. In the place of one that was retired, a fresh one is opened.
//
// Used by the loop's thread only.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_DOMAINS_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_DOMAINS_H_

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "transports/libfabric/domain.h"
#include "transports/libfabric/greeting.h"
#include "transports/libfabric/loop.h"

namespace tideway::libfabric {

class Domains {
 public:
  explicit Domains(Loop* loop) : loop_(loop) {}

  // UNAVAILABLE: libfabric can't use this provider at this address.
  absl::StatusOr<std::shared_ptr<Domain>> Get(const Provider& provider,
                                              const std::string& local_ip);

 private:
  Loop* const loop_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<Domain>> domains_;
};

// What this end says of itself. `connection` is filled in by the caller.
Greeting GreetingOf(const Domain& domain, Role role, GreetingKind kind);

// Why reads over a connection with this peer need its processor; empty: they don't.
std::string WhyNotOneSided(const Domain& domain, const Greeting& peer, int peer_process);

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_DOMAINS_H_
