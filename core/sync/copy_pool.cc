#include "core/sync/copy_pool.h"

#include <algorithm>

namespace tideway::sync {

absl::StatusOr<std::unique_ptr<WeightCopy>> CopyPool::Take(
    const std::shared_ptr<const ChunkTable>& table) {
  absl::MutexLock lock(&mutex_);
  // Those that were cut for a former publisher are of no use any more.
  const auto stale = std::remove_if(idle_.begin(), idle_.end(),
                                    [&](const auto& copy) { return copy->table() != table; });
  copies_ -= static_cast<size_t>(idle_.end() - stale);
  idle_.erase(stale, idle_.end());
  if (!idle_.empty()) {
    std::unique_ptr<WeightCopy> copy = std::move(idle_.back());
    idle_.pop_back();
    return copy;
  }
  if (copies_ >= copies_max_) return nullptr;
  auto copy = WeightCopy::Create(table);
  if (copy.ok()) ++copies_;
  return copy;
}

void CopyPool::Give(std::unique_ptr<WeightCopy> copy) {
  {
    absl::MutexLock lock(&mutex_);
    idle_.push_back(std::move(copy));
  }
  on_free_();
}

}  // namespace tideway::sync
