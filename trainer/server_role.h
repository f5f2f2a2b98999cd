// tideway-train --role server: holds the parameters until it is told to stop.
#ifndef TIDEWAY_TRAINER_SERVER_ROLE_H_
#define TIDEWAY_TRAINER_SERVER_ROLE_H_

#include "absl/status/status.h"
#include "trainer/settings.h"
#include "trainer/stop_signal.h"

namespace tideway::trainer {

// Prints its addresses as one line, "listening URI[,URI...]", on standard output. Ends at the stop signal, after a last
// snapshot. InvalidArgument and FailedPrecondition: it never started.
absl::Status RunServer(const Settings& settings, StopSignal* stop);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_SERVER_ROLE_H_
