#include "core/server/dedup_window.h"

#include <algorithm>

#include "tideway/limits.h"

namespace tideway {
namespace {

bool Precedes(const DedupWindow::Entry& entry, uint64_t sequence) {
  return entry.sequence < sequence;
}

}  // namespace

std::optional<DedupWindow::Entry> DedupWindow::Find(uint64_t sequence) const {
  auto it = std::lower_bound(entries_.begin(), entries_.end(), sequence, Precedes);
  if (it == entries_.end() || it->sequence != sequence) return std::nullopt;
  return *it;
}

void DedupWindow::RaiseFloor(uint64_t floor) {
  floor_ = std::max(floor_, floor);
  while (!entries_.empty() && entries_.front().sequence < floor_) entries_.pop_front();
}

void DedupWindow::Insert(const Entry& entry) {
  // Pushes of one client come almost always in rising order: the search ends where it begins. At the end of an empty deque insert
  // would take it for the beginning, and allocate a block in front of it with each push.
  auto it = entries_.end();
  while (it != entries_.begin() && (it - 1)->sequence > entry.sequence) --it;
  if (it == entries_.end()) {
    entries_.push_back(entry);
  } else {
    entries_.insert(it, entry);
  }
  if (entries_.size() > kDedupWindow) RaiseFloor(entries_.front().sequence + 1);
}

}  // namespace tideway
