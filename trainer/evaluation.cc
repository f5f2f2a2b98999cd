#include "trainer/evaluation.h"

#include <algorithm>
#include <cstdint>

namespace tideway::trainer {

std::pair<torch::Tensor, torch::Tensor> ToTensors(const Batch& batch) {
  const int64_t context = static_cast<int64_t>(batch.inputs.size()) / std::max(1, batch.rows);
  const auto tensor = [&](const std::vector<int64_t>& values) {
    torch::Tensor t = torch::empty({batch.rows, context}, torch::kInt64);
    std::copy(values.begin(), values.end(), t.data_ptr<int64_t>());
    return t;
  };
  return {tensor(batch.inputs), tensor(batch.targets)};
}

double HeldOutLoss(const Gpt& model, const Batch& batch) {
  torch::NoGradGuard no_grad;
  const auto [inputs, targets] = ToTensors(batch);
  double sum = 0;
  for (int64_t row = 0; row < batch.rows; row += kEvaluationRows) {
    const int64_t end = std::min<int64_t>(batch.rows, row + kEvaluationRows);
    const torch::Tensor loss = model.Loss(inputs.slice(0, row, end), targets.slice(0, row, end));
    sum += loss.item<double>() * static_cast<double>(end - row);
  }
  return sum / batch.rows;
}

}  // namespace tideway::trainer
