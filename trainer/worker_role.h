// tideway-train --role worker: trains on its shard, and pushes and pulls through LocalSgd.
#ifndef TIDEWAY_TRAINER_WORKER_ROLE_H_
#define TIDEWAY_TRAINER_WORKER_ROLE_H_

#include "absl/status/status.h"
#include "trainer/settings.h"
#include "trainer/stop_signal.h"

namespace tideway::trainer {

// Ok at the end of the run, and after a stop signal, with a checkpoint. InvalidArgument, NotFound and FailedPrecondition:
// it never started.
absl::Status RunWorker(const Settings& settings, StopSignal* stop);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_WORKER_ROLE_H_
