// Asynchronous Local-SGD in virtual time, for tests: the real scheduler and outer optimizers, real gradients of a small
// model, and a simulated clock, without any communication.

#ifndef TIDEWAY_TESTS_OPTIM_VIRTUAL_TRAINING_H_
#define TIDEWAY_TESTS_OPTIM_VIRTUAL_TRAINING_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tideway/server.h"

namespace tideway::optim {

// The mixture of mixtures of Gaussians that Liu et al. (arXiv 2401.09135) use as a toy, made smaller: 4 classes of 8
// clusters each. Every data shard has its own mix of clusters. The model has one hidden layer of tanh units.
class MixtureProblem {
 public:
  static constexpr size_t kInputs = 16, kHidden = 24, kClasses = 4, kClusters = 8;
  static constexpr size_t kParameters = (kInputs + 1) * kHidden + (kHidden + 1) * kClasses;

  MixtureProblem(size_t shards, uint64_t seed);

  std::vector<float> Initial() const;
  // The mean gradient of the batch that (shard, step) stands for; returns its loss.
  double Gradient(const std::vector<float>& theta, size_t shard, uint64_t step,
                  std::vector<float>& gradient) const;
  // On held-out examples of all shards.
  double Loss(const std::vector<float>& theta) const;

 private:
  struct Example {
    float inputs[kInputs];
    size_t label;
  };

  Example Draw(size_t shard, std::mt19937_64& random) const;

  uint64_t seed_;
  std::vector<std::vector<float>> centres_;                // of class * kClusters + cluster
  std::vector<std::discrete_distribution<size_t>> mixes_;  // per shard, over the centres
  std::vector<Example> held_out_;
};

struct VirtualTraining {
  SchedulingOptions scheduling;
  std::string outer_optimizer;
  std::vector<double> step_seconds;  // per worker
  double jitter = 0;                 // of each cycle's duration: plus or minus this fraction
  double learning_rate = 0.01;       // of the inner AdamW; falls by a cosine to a tenth of it
  uint64_t seed = 0;
};

struct VirtualResult {
  std::vector<float> theta;
  double seconds = 0;
  double loss = 0;
};

VirtualResult Train(const MixtureProblem& problem, const VirtualTraining& training);

}  // namespace tideway::optim

#endif  // TIDEWAY_TESTS_OPTIM_VIRTUAL_TRAINING_H_
