// The parameters of ucx:// addresses, and what they become: the settings of a UCX context.

#ifndef TIDEWAY_TRANSPORTS_UCX_SETTINGS_H_
#define TIDEWAY_TRANSPORTS_UCX_SETTINGS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tideway/uri.h"

namespace tideway::ucx {

// What one UCX context is made with. Equal settings share a context.
struct Settings {
  std::string tls;          // UCX's own list of names; empty: UCX chooses among all
  std::string net_devices;  // likewise
  // Leaves the CMA transport out, where the kernel does not let these two processes read each other's memory.
  bool without_cma = false;

  // What UCX is told as TLS.
  std::string UcxTls() const;
  // Could two processes of one host reach each other through shared memory?
  bool SharedMemoryAllowed() const;
  bool TcpAllowed() const;

  auto operator<=>(const Settings&) const = default;  // NOLINT(modernize-use-nullptr): misread
};

struct Params {
  Settings settings;
  int spin_us = 20;  // how long the progress thread polls before it blocks
};

// INVALID_ARGUMENT, naming the known ones, for an unknown parameter, a value out of range, and a name in `tls` that UCX
// does not have. UNAVAILABLE for one that UCX has, but not on this host.
absl::StatusOr<Params> ParseParams(const Uri& uri);

// The names of transports that UCX has.
bool IsUcxTransport(absl::string_view name);

// "a, b and c" as UCX takes them, without the leading '^' of a list of what is forbidden.
std::vector<std::string> SplitTls(absl::string_view tls);

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_SETTINGS_H_
