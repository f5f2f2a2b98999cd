// StageMarks: notes when something passes its stages, in a struct of times, for who has asked for that. Made without a clock, it is a
// null pointer, keeps nothing and reads no clock.
//
// Threads: one at a time, as what it belongs to goes from hand to hand. Copies note into the same struct.

#ifndef TIDEWAY_CORE_RUNTIME_STAGE_MARKS_H_
#define TIDEWAY_CORE_RUNTIME_STAGE_MARKS_H_

#include <memory>

#include "absl/time/time.h"
#include "tideway/executor.h"

namespace tideway {

template <typename Times>
class StageMarks {
 public:
  StageMarks() = default;
  // Notes by `clock`, which outlives this; null: does not.
  explicit StageMarks(const Executor* clock) {
    if (clock != nullptr) kept_ = std::make_shared<Kept>(Kept{clock, {}});
  }

  bool on() const { return kept_ != nullptr; }
  // `stage` is passed now.
  void Mark(absl::Time Times::*stage) const {
    if (on()) kept_->times.*stage = kept_->clock->Now();
  }
  // REQUIRES: on().
  Times& times() const { return kept_->times; }

 private:
  struct Kept {
    const Executor* clock;
    Times times;
  };
  std::shared_ptr<Kept> kept_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_STAGE_MARKS_H_
