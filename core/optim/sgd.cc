// theta -= lr g. With lr = 1 the server's parameters are the initial ones minus the exact sum of
// all deltas.

#include <cassert>
#include <optional>
#include <utility>

#include "core/optim/outer_optimizers.h"
#include "core/optim/spec_values.h"

namespace tideway::optim {
namespace {

class Sgd final : public OuterOptimizer {
 public:
  static absl::StatusOr<std::unique_ptr<OuterOptimizer>> Create(const Spec& spec) {
    SpecReader reader(spec);
    const double lr = reader.Number("lr", 1, 0, kLearningRateMax);
    if (absl::Status status = reader.Finish(); !status.ok()) return status;
    return std::make_unique<Sgd>(lr);
  }

  explicit Sgd(double lr)
      : lr_(static_cast<float>(lr)), spec_(Spec{"sgd", {{"lr", NumberText(lr)}}}.ToString()) {}

  const std::string& spec() const override { return spec_; }
  size_t slot_count() const override { return 0; }

  absl::StatusOr<ApplyResult> Apply(absl::Span<float> theta, absl::Span<const float> delta,
                                    const ApplyContext& context, OuterState&) const override {
    assert(delta.size() == theta.size());
    const float step = StepOf(context);
    float* const t = theta.data();
    const float* const d = delta.data();
    for (size_t i = 0; i < theta.size(); ++i) t[i] -= step * d[i];
    return ApplyResult::kApplied;
  }

  std::optional<float> ScaledAdd(const ApplyContext& context) const override {
    return -StepOf(context);
  }

 private:
  float StepOf(const ApplyContext& context) const { return lr_ * context.weight; }

  const float lr_;
  const std::string spec_;
};

}  // namespace

OuterOptimizerEntry SgdEntry() { return {"sgd", &Sgd::Create}; }

}  // namespace tideway::optim
