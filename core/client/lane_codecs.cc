#include "core/client/lane_codecs.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tideway {

LaneCodecs::LaneCodecs(std::vector<const Codec*> candidates, size_t parts_of_push)
    : candidates_(std::move(candidates)),
      parts_of_push_(parts_of_push),
      chooser_(candidates_.size()),
      report_(candidates_.size() == 1 ? candidates_[0]->info().spec : ReportOf(chooser_)) {}

const Codec& LaneCodecs::For(const std::shared_ptr<PushJob>& job, absl::Time now) {
  if (candidates_.size() == 1) return *candidates_[0];
  if (job != current_) {
    current_ = job;
    current_candidate_ = chooser_.Next();
    if (timed_ == nullptr) {
      timed_ = job;
      timed_candidate_ = current_candidate_;
      timed_since_ = now;
      timed_parts_ = 0;
      timed_bytes_ = 0;
    }
  }
  return *candidates_[current_candidate_];
}

void LaneCodecs::OnAcknowledged(const PushJob* job, uint64_t bytes_fp32, absl::Time now) {
  if (job == nullptr || job != timed_.get()) return;
  timed_bytes_ += bytes_fp32;
  if (++timed_parts_ == parts_of_push_) Note(now);
}

void LaneCodecs::Note(absl::Time now) {
  timed_ = nullptr;
  chooser_.Note(timed_candidate_, timed_bytes_, now - timed_since_);
  absl::MutexLock lock(&mutex_);
  report_ = ReportOf(chooser_);
}

std::string LaneCodecs::report() const {
  absl::MutexLock lock(&mutex_);
  return report_;
}

std::string LaneCodecs::ReportOf(const CodecChooser& chooser) const {
  std::string text =
      chooser.trying()
          ? "trying"
          : absl::StrCat(candidates_[chooser.chosen()]->info().spec,
                         chooser.chosen() == 0 ? ": none was clearly quicker" : ": the quickest");
  for (size_t i = 0; i < candidates_.size(); ++i) {
    const CodecChooser::Figure& figure = chooser.figures()[i];
    absl::StrAppend(&text, i == 0 ? " (" : ", ", candidates_[i]->info().spec, " ");
    if (figure.pushes == 0) {
      absl::StrAppend(&text, "not measured");
    } else {
      absl::StrAppendFormat(&text, "%.3g GB/s", figure.bytes_per_second / 1e9);
    }
  }
  return absl::StrCat(text, ")");
}

}  // namespace tideway
