// LaneCodecs: which codec encodes which push to one server, and how quickly each brought its pushes there.
//
// One candidate, the usual case, costs nothing. With several (codec_up "auto") all parts of one push get the same one, and one push
// after the other is timed, from its first part's encoding to its last acknowledgement.
//
// Threads: the state strand; report() from any thread.

#ifndef TIDEWAY_CORE_CLIENT_LANE_CODECS_H_
#define TIDEWAY_CORE_CLIENT_LANE_CODECS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/client/codec_chooser.h"
#include "core/client/push_job.h"
#include "tideway/codec.h"

namespace tideway {

class LaneCodecs {
 public:
  // `candidates` outlive this; the first is identity if there are several. Each push has so many parts for this server.
  LaneCodecs(std::vector<const Codec*> candidates, size_t parts_of_push);

  // For the next part, which is one of `job`. The parts of one push come one after the other.
  const Codec& For(const std::shared_ptr<PushJob>& job, absl::Time now);
  // A part of `job` (null: nobody's any more) was acknowledged.
  void OnAcknowledged(const PushJob* job, uint64_t bytes_fp32, absl::Time now);
  // A push failed or is sent again: the one that is being timed says nothing.
  void Disturbed() { timed_ = nullptr; }

  // The codec in use; with several, how it did against the others.
  std::string report() const;

 private:
  void Note(absl::Time now);
  std::string ReportOf(const CodecChooser& chooser) const;

  const std::vector<const Codec*> candidates_;
  const size_t parts_of_push_;
  CodecChooser chooser_;
  // The push that parts were last asked for, kept so that no other one gets its address.
  std::shared_ptr<const PushJob> current_;
  size_t current_candidate_ = 0;
  // The push that is being timed, or null.
  std::shared_ptr<const PushJob> timed_;
  size_t timed_candidate_ = 0;
  absl::Time timed_since_;
  size_t timed_parts_ = 0;  // acknowledged
  uint64_t timed_bytes_ = 0;

  mutable absl::Mutex mutex_;
  std::string report_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_LANE_CODECS_H_
