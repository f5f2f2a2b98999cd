// Measures cases: in every round Tideway and, where asked for, the raw program, one right after the other and each as a fresh pair of
// processes, which of them first changing from round to round. So what the machine's neighbours do meets both, and the ratio of a
// round survives it; and what differs from one connection or one placement of memory to the next is in the spread of the rounds.
//
// Threads: blocks its caller.

#ifndef TIDEWAY_BENCH_DRIVER_MEASURE_H_
#define TIDEWAY_BENCH_DRIVER_MEASURE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/driver/host.h"
#include "bench/driver/progress.h"
#include "bench/driver/result.h"
#include "bench/driver/wires.h"
#include "tideway/transport.h"

namespace bench {

struct MeasureSettings {
  int rounds = 6;
  absl::Duration repetition = absl::Milliseconds(500);
  bool raw = false;
  bool spin = false;
  std::string completions = "at-once";
  std::string delta = "shared";
  size_t outstanding = 1;
  bool stages = false;
  absl::Duration step;  // of train-step, as the next one
  bool overlap = true;
  WireSettings wire;
};

// The steps that Measure will begin.
size_t StepsOf(const Case& what, const MeasureSettings& settings);

// What a program complained of, or DATA_LOSS: what arrived is not what was sent. A transport that nothing raw has the wire of is
// measured without; of raw alone that is NOT_FOUND. The servers run on `host`.
absl::StatusOr<Result> Measure(const Case& what, const MeasureSettings& settings,
                               const tideway::TransportRegistry& transports, Host& host,
                               Progress& progress);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_MEASURE_H_
