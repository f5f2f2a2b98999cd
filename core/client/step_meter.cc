#include "core/client/step_meter.h"

#include <cmath>

namespace tideway {
namespace {

// Weight of the newest loss: about the last twenty steps count.
constexpr double kLossWeight = 0.05;

}  // namespace

void StepMeter::Step(absl::Time now, double loss, uint64_t tokens) {
  status_.busy_seconds += absl::ToDoubleSeconds(now - busy_since_);
  status_.tokens += tokens;
  if (std::isfinite(loss)) {
    status_.loss =
        status_.inner_step == 0 ? loss : status_.loss + kLossWeight * (loss - status_.loss);
  }
  ++status_.inner_step;
  if (status_.busy_seconds > 0) {
    status_.tokens_per_second = static_cast<double>(status_.tokens) / status_.busy_seconds;
  }
}

double StepMeter::TakeBusySeconds() {
  const double taken = status_.busy_seconds - busy_seconds_taken_;
  busy_seconds_taken_ = status_.busy_seconds;
  return taken;
}

}  // namespace tideway
