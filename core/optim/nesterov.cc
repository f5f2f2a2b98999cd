// DiLoCo's outer step, on the mean G of a window of N = buffer pushes (SGD with Nesterov momentum):
//
//   m = beta m + G;   theta -= lr (G + beta m)
//
// buffer=1 steps on every push. With buffer=N theta stands still until the Nth push of the window
// (FedBuff); with buffer=auto N is the number of workers active when the window begins, which is
// synchronous DiLoCo.

#include <cassert>
#include <utility>

#include "core/optim/outer_optimizers.h"
#include "core/optim/spec_values.h"

namespace tideway::optim {
namespace {

class Nesterov final : public OuterOptimizer {
 public:
  static absl::StatusOr<std::unique_ptr<OuterOptimizer>> Create(const Spec& spec) {
    SpecReader reader(spec);
    const double lr = reader.Number("lr", 0.7, 0, kLearningRateMax);
    const double momentum = reader.Number("momentum", 0.9, 0, kMomentumMax);
    const absl::StatusOr<WindowPushes> buffer = WindowPushes::Read(spec, reader, "buffer", "1");
    if (!buffer.ok()) return buffer.status();
    if (absl::Status status = reader.Finish(); !status.ok()) return status;
    return std::make_unique<Nesterov>(lr, momentum, *buffer);
  }

  Nesterov(double lr, double momentum, WindowPushes buffer)
      : lr_(static_cast<float>(lr)),
        momentum_(static_cast<float>(momentum)),
        buffer_(buffer),
        spec_(Spec{"nesterov",
                   {{"lr", NumberText(lr)},
                    {"momentum", NumberText(momentum)},
                    {"buffer", buffer.ToString()}}}
                  .ToString()) {}

  const std::string& spec() const override { return spec_; }

  // m, and the sum of the window's deltas unless every push steps.
  size_t slot_count() const override { return buffers() ? 2 : 1; }

  absl::StatusOr<ApplyResult> Apply(absl::Span<float> theta, absl::Span<const float> delta,
                                    const ApplyContext& context, OuterState& state) const override {
    assert(delta.size() == theta.size() && state.slots.size() == slot_count());
    const uint32_t window = buffer_.Latch(context, state);
    if (!buffers()) {
      StepOnOne(theta, delta, context.weight, state.slots[0].data());
      return ApplyResult::kApplied;
    }
    if (++state.pushes < window) {
      Collect(delta, context.weight, state.slots[1].data());
      return ApplyResult::kBuffered;
    }
    StepOnMean(theta, delta, context.weight, 1.0f / static_cast<float>(window),
               state.slots[0].data(), state.slots[1].data());
    state.pushes = 0;
    return ApplyResult::kApplied;
  }

 private:
  bool buffers() const { return buffer_.is_auto() || buffer_.pushes() > 1; }

  void StepOnOne(absl::Span<float> theta, absl::Span<const float> delta, float weight,
                 float* m) const {
    float* const t = theta.data();
    const float* const d = delta.data();
    for (size_t i = 0; i < theta.size(); ++i) {
      const float g = weight * d[i];
      const float momentum = momentum_ * m[i] + g;
      m[i] = momentum;
      t[i] -= lr_ * (g + momentum_ * momentum);
    }
  }

  static void Collect(absl::Span<const float> delta, float weight, float* sum) {
    const float* const d = delta.data();
    for (size_t i = 0; i < delta.size(); ++i) sum[i] += weight * d[i];
  }

  void StepOnMean(absl::Span<float> theta, absl::Span<const float> delta, float weight,
                  float window_inverse, float* m, float* sum) const {
    float* const t = theta.data();
    const float* const d = delta.data();
    for (size_t i = 0; i < theta.size(); ++i) {
      const float g = (sum[i] + weight * d[i]) * window_inverse;
      const float momentum = momentum_ * m[i] + g;
      m[i] = momentum;
      t[i] -= lr_ * (g + momentum_ * momentum);
      sum[i] = 0.0f;
    }
  }

  const float lr_;
  const float momentum_;
  const WindowPushes buffer_;
  const std::string spec_;
};

}  // namespace

OuterOptimizerEntry NesterovEntry() { return {"nesterov", &Nesterov::Create}; }

}  // namespace tideway::optim
