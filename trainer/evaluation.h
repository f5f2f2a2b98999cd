// The held-out loss of a model.
#ifndef TIDEWAY_TRAINER_EVALUATION_H_
#define TIDEWAY_TRAINER_EVALUATION_H_

#include <utility>

#include "trainer/gpt.h"
#include "trainer/text_data.h"

namespace tideway::trainer {

inline constexpr int kEvaluationRows = 64;  // windows at a time

// Inputs and targets as int64 [rows, context], copied.
std::pair<torch::Tensor, torch::Tensor> ToTensors(const Batch& batch);

// Mean over all windows of the batch, in nats per byte.
double HeldOutLoss(const Gpt& model, const Batch& batch);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_EVALUATION_H_
