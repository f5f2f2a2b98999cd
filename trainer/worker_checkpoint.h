// A worker's checkpoint: what only the worker has. Parameters and schedule are the servers'.
//
// It holds the inner optimizer's moments and the residual of error feedback, as one safetensors file.
#ifndef TIDEWAY_TRAINER_WORKER_CHECKPOINT_H_
#define TIDEWAY_TRAINER_WORKER_CHECKPOINT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/inner_optimizer.h"

namespace tideway::trainer {

absl::Status SaveWorker(const std::string& path, const InnerOptimizer& optimizer,
                        const std::vector<float>& residual);

// Restores the optimizer and returns the residual. NotFound where there is no file; FailedPrecondition where it is of
// another model; DataLoss where it is damaged.
absl::StatusOr<std::vector<float>> LoadWorker(const std::string& path, InnerOptimizer* optimizer);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_WORKER_CHECKPOINT_H_
