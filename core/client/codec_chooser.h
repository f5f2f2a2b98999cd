// CodecChooser: which of several codecs brings deltas to one server soonest, found out by using them.
//
// How long a push takes depends on the link, on both ends' codecs and on what else they do, and most of these overlap. So nothing
// is modelled: each candidate carries some pushes, and the quickest carries the rest. Candidate 0 is identity. Another one is
// chosen only where it was clearly quicker than identity; of what loses, one is tried again from time to time, ever more rarely,
// since links change.
//
// Pure: no clock, no lock, no thread.

#ifndef TIDEWAY_CORE_CLIENT_CODEC_CHOOSER_H_
#define TIDEWAY_CORE_CLIENT_CODEC_CHOOSER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace tideway {

class CodecChooser {
 public:
  struct Figure {
    double bytes_per_second = 0;  // fp32 bytes of delta, acknowledged; 0: not measured yet
    uint32_t pushes = 0;          // that were measured
  };

  // REQUIRES: candidates >= 1.
  explicit CodecChooser(size_t candidates) : figures_(candidates) {}

  // Which candidate encodes the push that begins now.
  size_t Next();

  // A push of `bytes_fp32`, encoded by `candidate`, was acknowledged `took` after it began or after the push before it was
  // acknowledged, whichever came later. The first push warms the connection up and does not count.
  void Note(size_t candidate, uint64_t bytes_fp32, absl::Duration took);

  // The quickest so far; identity until the first trials are over.
  size_t chosen() const { return chosen_; }
  bool trying() const { return untried() < figures_.size(); }
  const std::vector<Figure>& figures() const { return figures_; }

 private:
  size_t untried() const;
  void Choose();

  std::vector<Figure> figures_;
  size_t chosen_ = 0;
  bool warm_ = false;
  uint64_t pushes_since_trial_ = 0;
  uint64_t pushes_between_trials_ = kPushesBetweenTrialsMin;
  size_t last_trial_ = 0;

  static constexpr uint64_t kPushesBetweenTrialsMin = 64;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_CODEC_CHOOSER_H_
