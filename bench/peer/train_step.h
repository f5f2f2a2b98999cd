// The form train-step: a worker that trains. Its thread computes (inner_steps.h); after so many inner steps it pushes what it learned
// and pulls what others did. Every second time it computes without that, so that what communication costs shows beside.
//
//   alone       inner steps, nothing under way
//   with it     an exchange begins; inner steps; what is left of the exchange is waited for (or: the exchange, then inner steps)
//
// Utilisation is the time of the first over that of the second: 1 where communication costs nothing.

#ifndef TIDEWAY_BENCH_PEER_TRAIN_STEP_H_
#define TIDEWAY_BENCH_PEER_TRAIN_STEP_H_

#include "bench/peer/ends.h"

namespace bench {

// Until the driver ends it. REQUIRES: settings.form == "train-step". Its answers (bench/common/control.h) have also "train": seconds of
// "alone", of "with", and of that "computing" and "waiting"; "exchange" seconds, and "exchange_ns", a histogram; CPU seconds of the computing
// thread: "compute_cpu" of all, and in its steps "alone_cpu" and, with an exchange, "computing_cpu".
void RunTrainStep(const Settings& settings);

}  // namespace bench

#endif  // TIDEWAY_BENCH_PEER_TRAIN_STEP_H_
