// CopyPool: the copies of the model that a subscriber has: in use, being built, held by the user, idle. At most so many.
//
// Threads: any.

#ifndef TIDEWAY_CORE_SYNC_COPY_POOL_H_
#define TIDEWAY_CORE_SYNC_COPY_POOL_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/sync/chunk_table.h"
#include "core/sync/weight_copy.h"
#include "tideway/process_mark.h"

namespace tideway::sync {

class CopyPool {
 public:
  // `on_free` is called, on the thread that caused it and with no lock held, when a copy was given back.
  CopyPool(size_t copies_max, std::function<void()> on_free)
      : copies_max_(copies_max), on_free_(std::move(on_free)) {}

  // One that is cut as `table` says. Null: all are taken. RESOURCE_EXHAUSTED: the system has no memory for it.
  absl::StatusOr<std::unique_ptr<WeightCopy>> Take(const std::shared_ptr<const ChunkTable>& table);
  void Give(std::unique_ptr<WeightCopy> copy);
  // Whether this process may give and take, and no forked child does.
  bool IsHere() const { return process_.IsHere(); }

 private:
  const ProcessMark process_;
  const size_t copies_max_;
  const std::function<void()> on_free_;
  absl::Mutex mutex_;
  size_t copies_ ABSL_GUARDED_BY(mutex_) = 0;  // idle or not
  std::vector<std::unique_ptr<WeightCopy>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_COPY_POOL_H_
