// What this host's UCX can do: TransportInfo and its providers, and the check that the process has exactly one UCX.
//
// Threads: any. Probing makes a UCX context and takes some milliseconds.

#ifndef TIDEWAY_TRANSPORTS_UCX_PROBE_H_
#define TIDEWAY_TRANSPORTS_UCX_PROBE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tideway/transport.h"

namespace tideway::ucx {

TransportInfo Probe();

struct UcxVersion {
  unsigned major = 0;
  unsigned minor = 0;
};

// UNAVAILABLE if `libraries` has parts of two UCXes, or if `running` can't serve a program built against `built`.
absl::Status CheckOneUcx(const std::vector<std::string>& libraries, UcxVersion running,
                         UcxVersion built);
// The same of this process.
absl::Status CheckOneUcx();

// UNAVAILABLE in a child that was forked after ClaimProcess: UCX's own thread, which joins connections over TCP, stayed with the parent,
// and UCX does not notice.
absl::Status CheckNotForked();
// Says that this process uses UCX from now on.
void ClaimProcess();

// The providers, given what UCX found ("tcp/eth0", "posix/memory", ...). `cma`: why processes can't read one another here,
// or OK.
std::vector<ProviderInfo> ProvidersFor(const std::vector<std::string>& resources,
                                       const absl::Status& cma);

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_PROBE_H_
