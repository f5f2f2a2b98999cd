// Measures what one provider does on this host: the round trip of small messages, and the rate of large ones.
//
// A listener and one connection to it, both in this process, each end with a transport instance of its own, so with a
// progress thread of its own (a transport that cannot leave a process has one instance for both). For shared memory this is
// the same path that two processes take, except that both ends have one address space.
//
//   connecting -> round trips, one message at a time   -> messages of a fragment's default size, several in flight, one way
//
// The first tenth of each part is not counted: it pays for lanes being wired up and pages being touched. Transports wait as
// they are set up to by default, so a figure holds the wake-up of a thread where a provider sleeps.
//
// Threads: MeasureProvider blocks its caller; everything else happens on the transports' threads.

#ifndef TIDEWAY_TOOLS_MEASURE_H_
#define TIDEWAY_TOOLS_MEASURE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tideway/limits.h"
#include "tideway/log.h"
#include "tideway/transport.h"

namespace tideway::tools {

inline constexpr size_t kRoundTripBytes = 64;  // of payload, in each direction
inline constexpr size_t kBulkBytes = kFragmentBytesDefault;
inline constexpr size_t kBulkInFlight = 8;  // messages that are not acknowledged yet
inline constexpr size_t kRoundTripsMax = 1'000'000;

struct MeasureOptions {
  std::string host = "127.0.0.1";            // to listen on; port 0
  absl::Duration budget = absl::Seconds(1);  // half for each part, without connecting
  LogSink log;
};

struct Measurement {
  absl::Duration round_trip_median;
  absl::Duration round_trip_p99;
  size_t round_trips = 0;  // that these are made of
  double bandwidth_bytes_per_s = 0;
  size_t bulk_bytes = 0;  // that it is made of
  bool one_sided = false;
  ConnectionInfo connection;  // of the connecting end
};

// UNAVAILABLE and others: what listening, connecting or the connection failed with. DEADLINE_EXCEEDED: it stalled.
absl::StatusOr<Measurement> MeasureProvider(const TransportEntry& entry,
                                            const ProviderInfo& provider,
                                            const MeasureOptions& options);

}  // namespace tideway::tools

#endif  // TIDEWAY_TOOLS_MEASURE_H_
