#include "transports/libfabric/domains.h"

#include <sys/uio.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace tideway::libfabric {

absl::StatusOr<std::shared_ptr<Domain>> Domains::Get(const Provider& provider,
                                                     const std::string& local_ip) {
  const std::string ip = provider.same_host ? "" : local_ip;
  std::shared_ptr<Domain>& present = domains_[{provider.scheme, ip}];
  if (present != nullptr && !present->retired()) return present;
  absl::StatusOr<std::shared_ptr<Domain>> opened = Domain::Open(loop_, provider, ip);
  if (!opened.ok()) return opened.status();
  present = *opened;
  loop_->AddPollable(present);
  return present;
}

Greeting GreetingOf(const Domain& domain, Role role, GreetingKind kind) {
  Greeting greeting;
  greeting.kind = kind;
  greeting.device = domain.id();
  greeting.frame_bytes = static_cast<uint32_t>(domain.frame_bytes());
  greeting.scheme = domain.provider().scheme;
  greeting.fabric_address = domain.address(role);
  if (domain.provider().same_host) {
    greeting.cookie_address = reinterpret_cast<uintptr_t>(&domain.cookie());
    greeting.cookie = domain.cookie();
  }
  return greeting;
}

std::string WhyNotOneSided(const Domain& domain, const Greeting& peer, int peer_process) {
  if (!domain.provider().one_sided) {
    return absl::StrCat("none: ", domain.provider().scheme,
                        " answers reads with the peer's processor");
  }
  if (!domain.provider().same_host) return "";
  // libfabric would fall back to copies that the peer takes part in, and not say so.
  uint64_t seen = 0;
  const iovec local = {&seen, sizeof(seen)};
  const iovec remote = {reinterpret_cast<void*>(peer.cookie_address), sizeof(seen)};
  const ssize_t bytes = process_vm_readv(peer_process, &local, 1, &remote, 1, 0);
  if (bytes == sizeof(seen) && seen == peer.cookie) return "";
  return absl::StrCat(
      "none: this process may not read the peer's memory (",
      bytes < 0 ? std::system_category().message(errno) : "it is in another container",
      "); run both as one user, in one pid namespace, with kernel.yama.ptrace_scope=0");
}

}  // namespace tideway::libfabric
