// Delayed Nesterov (Liu et al., arXiv 2401.09135): every push steps at once by its own share, the
// momentum moves once per window of N pushes, so that late pushes are not multiplied by it. D is
// the sum of the window's deltas.
//
//   D += g
//   last push of the window:  m = beta m + D/N;   theta -= lr ((1 - cN + c) beta m + g/N);   D = 0
//   any other:                                    theta -= lr (c beta m + g/N)
//
// c in [0, 1/N] spreads the momentum over the window: c = 0 gives all of it to the last push, c =
// 1/N equal parts to each. With n=auto the N of a window may be smaller than 1/c allows; then 1/N
// is used.

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/optim/outer_optimizers.h"
#include "core/optim/spec_values.h"

namespace tideway::optim {
namespace {

class DelayedNesterov final : public OuterOptimizer {
 public:
  static absl::StatusOr<std::unique_ptr<OuterOptimizer>> Create(const Spec& spec) {
    SpecReader reader(spec);
    const double lr = reader.Number("lr", 0.7, 0, kLearningRateMax);
    const double momentum = reader.Number("momentum", 0.9, 0, kMomentumMax);
    const double c = reader.Number("c", 0, 0, 1);
    const absl::StatusOr<WindowPushes> n = WindowPushes::Read(spec, reader, "n", "auto");
    if (!n.ok()) return n.status();
    if (absl::Status status = reader.Finish(); !status.ok()) return status;
    if (!n->is_auto() && c * n->pushes() > 1 + 1e-9) {
      return absl::InvalidArgumentError(absl::StrCat(
          "delayed-nesterov: c=", NumberText(c), " is more than 1/n; with n=", n->pushes(),
          " give c from 0 to ", NumberText(1.0 / n->pushes())));
    }
    return std::make_unique<DelayedNesterov>(lr, momentum, c, *n);
  }

  DelayedNesterov(double lr, double momentum, double c, WindowPushes n)
      : lr_(lr),
        momentum_(momentum),
        c_(c),
        n_(n),
        spec_(Spec{"delayed-nesterov",
                   {{"lr", NumberText(lr)},
                    {"momentum", NumberText(momentum)},
                    {"c", NumberText(c)},
                    {"n", n.ToString()}}}
                  .ToString()) {}

  const std::string& spec() const override { return spec_; }
  size_t slot_count() const override { return 2; }  // m, D

  absl::StatusOr<ApplyResult> Apply(absl::Span<float> theta, absl::Span<const float> delta,
                                    const ApplyContext& context, OuterState& state) const override {
    assert(delta.size() == theta.size() && state.slots.size() == slot_count());
    const double window = n_.Latch(context, state);
    const double c = std::min(c_, 1.0 / window);
    const float step = static_cast<float>(lr_ / window);
    float* const m = state.slots[0].data();
    float* const sum = state.slots[1].data();
    if (++state.pushes < window) {
      const float momentum_step = static_cast<float>(lr_ * c * momentum_);
      if (momentum_step == 0) {
        StepInside<false>(theta, delta, context.weight, step, 0, m, sum);
      } else {
        StepInside<true>(theta, delta, context.weight, step, momentum_step, m, sum);
      }
      return ApplyResult::kApplied;
    }
    const float momentum_step = static_cast<float>(lr_ * (1 - c * window + c) * momentum_);
    StepLast(theta, delta, context.weight, step, momentum_step, static_cast<float>(1 / window), m,
             sum);
    state.pushes = 0;
    return ApplyResult::kApplied;
  }

 private:
  // Without momentum (c = 0) m is not even read.
  template <bool kMomentum>
  static void StepInside(absl::Span<float> theta, absl::Span<const float> delta, float weight,
                         float step, float momentum_step, const float* m, float* sum) {
    float* const t = theta.data();
    const float* const d = delta.data();
    for (size_t i = 0; i < theta.size(); ++i) {
      const float g = weight * d[i];
      sum[i] += g;
      t[i] -= kMomentum ? momentum_step * m[i] + step * g : step * g;
    }
  }

  void StepLast(absl::Span<float> theta, absl::Span<const float> delta, float weight, float step,
                float momentum_step, float window_inverse, float* m, float* sum) const {
    float* const t = theta.data();
    const float* const d = delta.data();
    const float beta = static_cast<float>(momentum_);
    for (size_t i = 0; i < theta.size(); ++i) {
      const float g = weight * d[i];
      const float momentum = beta * m[i] + (sum[i] + g) * window_inverse;
      m[i] = momentum;
      sum[i] = 0.0f;
      t[i] -= momentum_step * momentum + step * g;
    }
  }

  const double lr_;
  const double momentum_;
  const double c_;
  const WindowPushes n_;
  const std::string spec_;
};

}  // namespace

OuterOptimizerEntry DelayedNesterovEntry() {
  return {"delayed-nesterov", &DelayedNesterov::Create};
}

}  // namespace tideway::optim
