// The worker's own optimizer: AdamW with weight decay on matrices only and gradient clipping.
//
// Its state lives as long as the worker and is never reset between rounds; resetting it costs loss.
// AppendMoments and Restore carry it through a worker's checkpoint.
#ifndef TIDEWAY_TRAINER_INNER_OPTIMIZER_H_
#define TIDEWAY_TRAINER_INNER_OPTIMIZER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/torch.h>

#include "absl/status/status.h"
#include "tideway/safetensors.h"
#include "trainer/gpt.h"

namespace tideway::trainer {

struct InnerOptimizerOptions {
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0.1;  // on tensors of two dimensions
  double clip_norm = 1.0;     // of all gradients together
};

class InnerOptimizer {
 public:
  // Shares the model's parameters; the model must outlive this.
  InnerOptimizer(const Gpt& model, const InnerOptimizerOptions& options);

  // Clips the gradients, steps with `learning_rate`, and clears the gradients.
  void Step(double learning_rate);

  uint64_t steps() const { return steps_; }

  // Appends views of the moments, named "first_moment/<parameter>" and "second_moment/<parameter>". They are valid until
  // the next Step. Nothing before the first step.
  void AppendMoments(std::vector<SafetensorsView>* views) const;

  // Takes the moments of a file as they were after `steps` steps. FailedPrecondition, with nothing changed, where they are
  // of another model.
  absl::Status Restore(const Safetensors& file, uint64_t steps);

 private:
  InnerOptimizerOptions options_;
  std::vector<NamedParameter> parameters_;
  std::vector<torch::Tensor> tensors_;  // the same, for clipping
  uint64_t steps_ = 0;
  std::unique_ptr<torch::optim::AdamW> adamw_;
};

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_INNER_OPTIMIZER_H_
