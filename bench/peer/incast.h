// Incast: many workers push at once to one server, each one push at a time, while another worker pushes a small vector to a second
// server in the same process. How quick the crowd is, and whether the small pushes stand in line behind the large ones.
//
// The two servers share one runtime, so transports, progress thread and executor: what could make the small ones wait. The address
// is that of both, joined by '|'.

#ifndef TIDEWAY_BENCH_PEER_INCAST_H_
#define TIDEWAY_BENCH_PEER_INCAST_H_

#include "bench/peer/ends.h"

namespace bench {

inline constexpr size_t kSmallPushBytes = 4096;

// Until the driver ends them. REQUIRES: settings.form == "incast".
void RunIncastServer(const Settings& settings);
void RunIncastWorkers(const Settings& settings);

}  // namespace bench

#endif  // TIDEWAY_BENCH_PEER_INCAST_H_
