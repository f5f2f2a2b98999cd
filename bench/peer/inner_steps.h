// InnerSteps: a thread that computes, in place of a training loop: a fixed amount of work per inner step, small matrices that are
// multiplied in a core's own cache, as much of it as takes the wanted time where nothing else runs.
//
// Threads: one.

#ifndef TIDEWAY_BENCH_PEER_INNER_STEPS_H_
#define TIDEWAY_BENCH_PEER_INNER_STEPS_H_

#include <cstddef>
#include <vector>

namespace bench {

class InnerSteps {
 public:
  // Finds out how much work takes `step_s` here and now; that takes a twentieth of a second.
  explicit InnerSteps(double step_s);

  // Computes `steps` steps; how long that took.
  double Run(size_t steps);

 private:
  void Multiply();
  double Multiply(size_t times);

  std::vector<float> a_;
  std::vector<float> b_;
  std::vector<float> sum_;
  size_t multiplications_per_step_ = 1;
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_PEER_INNER_STEPS_H_
