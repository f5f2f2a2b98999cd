// The providers of libfabric that this transport uses, and how an address chooses one.
//
// Everything here may be called from any thread. The first question to libfabric in a process takes a quarter of a second,
// in which it looks for hardware; later ones take a fraction of a millisecond.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_PROVIDER_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_PROVIDER_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "rdma/fabric.h"
#include "tideway/transport.h"
#include "tideway/uri.h"

namespace tideway::libfabric {

struct Provider {
  const char* scheme;       // "ofi+net"
  const char* fabric_name;  // libfabric's name for it
  bool same_host;
  bool one_sided;      // a read costs the peer's processor nothing
  size_t frame_bytes;  // of a receive buffer; a message that fits travels in one frame
  size_t queue_size;   // operations under way, 0: the provider's default
  const char* remedy;  // what makes it available
};

// In the order of preference.
absl::Span<const Provider> Providers();

struct InfoDeleter {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
};
using InfoPtr = std::unique_ptr<fi_info, InfoDeleter>;

// What libfabric offers for `provider`: a list, the best first. `local_ip`: only what can be bound to it; empty for any.
// UNAVAILABLE, with libfabric's reason.
absl::StatusOr<InfoPtr> GetInfo(const Provider& provider, const std::string& local_ip);

// The provider that an address with this scheme means. INVALID_ARGUMENT: no scheme of this transport. UNAVAILABLE: it is
// missing on this host; the message names those that are there.
absl::StatusOr<const Provider*> ChooseProvider(absl::string_view scheme);

struct Params {
  int spin_us = 20;  // how long the progress thread polls before it blocks
};

// INVALID_ARGUMENT, naming the known ones, for an unknown parameter or a value out of range.
absl::StatusOr<Params> ParseParams(const Uri& uri);

// "doing this: what libfabric says about -error"
absl::Status FabricError(absl::string_view doing, int error);

// What TransportEntry::probe says.
TransportInfo Probe();

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_PROVIDER_H_
