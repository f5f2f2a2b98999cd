// The Runtime of a trainer's process: all built-in transports, codecs and outer optimizers, and a log on standard error.
#ifndef TIDEWAY_TRAINER_MAKE_RUNTIME_H_
#define TIDEWAY_TRAINER_MAKE_RUNTIME_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tideway/runtime.h"
#include "trainer/settings.h"

namespace tideway::trainer {

// `verbose`: also what is merely good to know.
RuntimeOptions MakeRuntimeOptions(int threads, bool verbose);

// Where a server of a local run listens: any free port of this machine, over `transport` (a scheme, a provider or "auto").
absl::StatusOr<std::string> LocalListenAddress(const std::string& transport);

// Codec, outer optimizer and transport specs against the registries. InvalidArgument, in one sentence.
absl::Status CheckSpecs(const Settings& settings);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_MAKE_RUNTIME_H_
