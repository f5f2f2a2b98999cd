#include "core/client/codec_chooser.h"

#include <algorithm>

namespace tideway {
namespace {

constexpr uint32_t kTrialPushes = 2;
constexpr uint64_t kPushesBetweenTrialsMax = 4096;
// What a codec has to gain over identity before its losses are worth anything.
constexpr double kGainMin = 1.1;
// How much of a figure is the newest push.
constexpr double kNewest = 0.5;

}  // namespace

size_t CodecChooser::untried() const {
  size_t candidate = 0;
  while (candidate < figures_.size() && figures_[candidate].pushes >= kTrialPushes) ++candidate;
  return candidate;
}

size_t CodecChooser::Next() {
  if (const size_t candidate = untried(); candidate < figures_.size()) return candidate;
  if (figures_.size() == 1 || ++pushes_since_trial_ < pushes_between_trials_) return chosen_;
  pushes_since_trial_ = 0;
  pushes_between_trials_ = std::min(pushes_between_trials_ * 2, kPushesBetweenTrialsMax);
  do {
    last_trial_ = (last_trial_ + 1) % figures_.size();
  } while (last_trial_ == chosen_);
  return last_trial_;
}

void CodecChooser::Note(size_t candidate, uint64_t bytes_fp32, absl::Duration took) {
  if (!warm_) {
    warm_ = true;
    return;
  }
  if (took <= absl::ZeroDuration()) return;
  Figure& figure = figures_[candidate];
  const double rate = static_cast<double>(bytes_fp32) / absl::ToDoubleSeconds(took);
  figure.bytes_per_second =
      figure.pushes == 0 ? rate : (1 - kNewest) * figure.bytes_per_second + kNewest * rate;
  ++figure.pushes;
  if (!trying()) Choose();
}

void CodecChooser::Choose() {
  const auto quickest =
      static_cast<size_t>(std::max_element(figures_.begin(), figures_.end(),
                                           [](const Figure& a, const Figure& b) {
                                             return a.bytes_per_second < b.bytes_per_second;
                                           }) -
                          figures_.begin());
  const bool worth_it =
      figures_[quickest].bytes_per_second >= kGainMin * figures_[0].bytes_per_second;
  const size_t best = worth_it ? quickest : 0;
  if (best != chosen_) pushes_between_trials_ = kPushesBetweenTrialsMin;
  chosen_ = best;
}

}  // namespace tideway
