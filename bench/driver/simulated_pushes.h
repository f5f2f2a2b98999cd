// Pushes over a link that there is not, in virtual time: a real client and a real server, with real deltas and codecs, over the sim
// transport. What encoding and decoding take is charged as it was measured (BusyHost); what all codecs have in common, framing and the
// outer step, costs nothing.
//
// Threads: blocks its caller, on whose thread everything runs.

#ifndef TIDEWAY_BENCH_DRIVER_SIMULATED_PUSHES_H_
#define TIDEWAY_BENCH_DRIVER_SIMULATED_PUSHES_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/driver/pair.h"
#include "bench/driver/priced_codec.h"

namespace bench {

struct SimulatedPushes {
  absl::Duration delay;  // of each direction
  double bytes_per_second = 0;
  size_t bytes = 0;  // of the delta, as fp32
  size_t fragment_bytes = 0;
  std::string codec;
  CodecPrice price;
  size_t cores = 1;  // of each host
  int pushes = 3;    // one after the other, after one that warms up
};

// In virtual seconds; CPU seconds are those that were charged. DATA_LOSS: what the server has and the residual are not what was pushed.
absl::StatusOr<Measured> Simulate(const SimulatedPushes& what);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_SIMULATED_PUSHES_H_
