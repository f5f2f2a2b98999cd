// The parameters of tcp:// addresses, and the socket options that they and the transport's own
// needs become.

#ifndef TIDEWAY_TRANSPORTS_TCP_SOCKET_OPTIONS_H_
#define TIDEWAY_TRANSPORTS_TCP_SOCKET_OPTIONS_H_

#include <cstddef>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tideway/uri.h"

namespace tideway::tcp {

struct Params {
  std::string congestion;  // empty: the system's default, but on the loopback interface not BBR
  int spin_us = 20;        // how long the progress thread polls before it blocks
  int socket_buffer_bytes = 0;  // 0: the kernel tunes it
  int streams = 0;              // per connection; 0: chosen by the round trip
};

// INVALID_ARGUMENT, naming the known ones, for an unknown parameter or a value out of range.
absl::StatusOr<Params> ParseParams(const Uri& uri);

// On a socket before it listens or connects; what it accepts inherits them. `loopback`: its address, or its peer's, is one of
// this host alone. INVALID_ARGUMENT, naming those that there are, if this system lacks the congestion control.
absl::Status ApplyParams(int socket, const Params& params, bool loopback);

// On every connection: no delay, and probes that find a peer whose machine has vanished.
void ApplyConnectionOptions(int socket);

// The kernel's smoothed round trip of a connection; that of the handshake, if nothing else was sent. Zero: unknown.
absl::Duration RoundTrip(int socket);

// From here on one stream may be too little.
inline constexpr absl::Duration kLongRoundTrip = absl::Milliseconds(2);

// How many streams fill a link of 10 Gbit/s at this round trip, if each has 4 MiB under way.
size_t StreamsFor(absl::Duration round_trip);

// What the kernel says about a connection.
std::map<std::string, std::string> Describe(int socket);

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_SOCKET_OPTIONS_H_
