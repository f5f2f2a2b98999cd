// Paths: what both ends of the choice by `auto` need to know of the registry: which providers this program has.

#ifndef TIDEWAY_CORE_RUNTIME_PATHS_H_
#define TIDEWAY_CORE_RUNTIME_PATHS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tideway/transport.h"

namespace tideway {

// A provider and the transport that it is of.
struct LocalPath {
  std::string transport;  // TransportInfo::name
  ProviderInfo provider;  // with the transport's own reason if that can't work at all
};

// Every provider of every transport of the registry that reaches other processes, in the kind of time (real, virtual) that the
// bootstrap transport runs in. Probes them: may take some milliseconds.
std::vector<LocalPath> LocalPaths(const TransportRegistry& transports);

// The scheme by which a client asks for the other ways: tcp or, where the registry has none, the first one that reaches other
// hosts. NOT_FOUND: there is none.
absl::StatusOr<std::string> BootstrapScheme(const TransportRegistry& transports);

// The name of the provider that an address uses: "ucx/tcp" for ucx://host:port?tls=tcp; the transport's name if it fits none.
std::string ProviderNameOf(const TransportRegistry& transports, const Uri& uri);

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_PATHS_H_
