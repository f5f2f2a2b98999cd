// tideway-train without a role: a whole run on this machine, in real processes, from the first look at the text to the
// report.
#ifndef TIDEWAY_TRAINER_LAUNCHER_H_
#define TIDEWAY_TRAINER_LAUNCHER_H_

#include <string>

#include "absl/status/status.h"
#include "trainer/settings.h"
#include "trainer/stop_signal.h"

namespace tideway::trainer {

// `program`: the path of this program, for its other roles. InvalidArgument, NotFound, FailedPrecondition, PermissionDenied
// and DataLoss: nothing was started. All else: the run failed.
absl::Status RunLocally(const Settings& settings, const std::string& program, StopSignal* stop);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_LAUNCHER_H_
