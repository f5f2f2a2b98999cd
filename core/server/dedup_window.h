// DedupWindow: which pushes of one incarnation a fragment has already counted, and with which verdict.
//
// Bounded: it holds what the client may still send again, i.e. sequences from the floor on (every push carries the lowest
// sequence that its client has not seen acknowledged), and at most kDedupWindow of them. It belongs to one fragment and is
// snapshotted with it, so that after a recovery the fragment's parameters and its memory of what went into them agree.
//
// Threads: used on the fragment's strand only.

#ifndef TIDEWAY_CORE_SERVER_DEDUP_WINDOW_H_
#define TIDEWAY_CORE_SERVER_DEDUP_WINDOW_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "core/wire/frame.h"

namespace tideway {

class DedupWindow {
 public:
  struct Entry {
    uint64_t sequence = 0;
    uint64_t version = 0;  // of the fragment after that push
    wire::Verdict verdict = wire::Verdict::kNone;
  };

  DedupWindow() = default;
  explicit DedupWindow(uint64_t incarnation) : incarnation_(incarnation) {}

  uint64_t incarnation() const { return incarnation_; }
  uint64_t floor() const { return floor_; }
  const std::deque<Entry>& entries() const { return entries_; }

  // What was decided for `sequence`, or nothing if it is new. Below the floor nothing is known any more, and nothing needs to
  // be: a client never sends again what it saw acknowledged.
  std::optional<Entry> Find(uint64_t sequence) const;
  bool BelowFloor(uint64_t sequence) const { return sequence < floor_; }

  // Forgets everything below `floor`. A floor never falls.
  void RaiseFloor(uint64_t floor);

  // Remembers a verdict. If the window is full, the lowest sequence is forgotten and the floor rises above it.
  void Insert(const Entry& entry);

 private:
  uint64_t incarnation_ = 0;
  uint64_t floor_ = 0;
  std::deque<Entry> entries_;  // rising sequence
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_DEDUP_WINDOW_H_
