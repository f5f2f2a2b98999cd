// VersionStore: what a publisher has to give: the newest version, the differences that led to it, and whole versions that are
// being read.
//
// Threads: any. Publish runs long and blocks nobody but another Publish; everything else is quick.

#ifndef TIDEWAY_CORE_SYNC_VERSION_STORE_H_
#define TIDEWAY_CORE_SYNC_VERSION_STORE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "core/sync/chunk_table.h"
#include "core/sync/edition.h"
#include "core/sync/master.h"
#include "tideway/executor.h"

namespace tideway::sync {

class VersionStore {
 public:
  struct Limits {
    size_t links_max = 0;
    size_t history_bytes_max = 0;
    size_t anchors_max = 0;
  };

  VersionStore(std::unique_ptr<Master> master, std::shared_ptr<const ChunkTable> table,
               const Limits& limits)
      : master_(std::move(master)), table_(std::move(table)), limits_(limits) {}

  // Makes `weights` the newest version, with the help of `helpers_max` threads. Returns the bytes of its difference; 0: there is
  // none. INVALID_ARGUMENT: the version is not above the newest.
  absl::StatusOr<size_t> Publish(uint64_t version, absl::Span<const std::byte* const> weights,
                                 Executor* helpers, int helpers_max);

  // How somebody who has a version comes to a newer one.
  struct Plan {
    enum class Kind {
      kNone,  // there is nothing newer
      kLater,  // only the whole leads there, and it can't be had now: ask again after a Publish or a DropAnchor
      kChain,
      kWhole,
    };
    Kind kind = Kind::kNone;
    uint64_t from = 0;
    uint64_t to = 0;
    uint64_t frames = 0;
    Checksums checksums;             // of `to`
    std::shared_ptr<Anchor> anchor;  // kWhole
  };
  // `held`: 0: none of this epoch.
  Plan PlanFrom(uint64_t held);
  // Whoever was given an anchor gives it back.
  void DropAnchor(std::shared_ptr<Anchor> anchor);

  // Where somebody stands within a chain.
  struct Cursor {
    uint64_t from = 0;  // the difference that starts there
    size_t page = 0;    // the next one of it
  };
  struct Next {
    std::shared_ptr<const Page> page;
    uint64_t from = 0;  // of its difference
    uint64_t to = 0;
  };
  // The page at the cursor, which moves on. REQUIRES: one is left. OUT_OF_RANGE: the difference is no longer kept; make another plan.
  absl::StatusOr<Next> NextPage(Cursor& cursor) const;

  // See Master::ReadChunk.
  void ReadChunk(const Anchor& anchor, size_t chunk, absl::Span<std::byte> destination) const {
    master_->ReadChunk(anchor, chunk, destination);
  }

  struct Totals {
    uint64_t newest = 0;
    uint64_t links = 0;
    uint64_t bytes_links = 0;
    uint64_t anchors = 0;
  };
  Totals totals() const;

 private:
  void Keep(Edition edition) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool PlanChain(uint64_t held, Plan& plan) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PlanWhole(uint64_t held, Plan& plan) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<Master> master_;
  const std::shared_ptr<const ChunkTable> table_;
  const Limits limits_;

  absl::Mutex publishing_mutex_;  // one Publish at a time
  mutable absl::Mutex mutex_;
  bool advancing_ ABSL_GUARDED_BY(mutex_) = false;  // the master is between two versions
  uint64_t newest_ ABSL_GUARDED_BY(mutex_) = 0;
  Checksums checksums_ ABSL_GUARDED_BY(mutex_);
  // Each leads from where the one before it leads to, the last one to newest_.
  std::deque<Edition> links_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_links_ ABSL_GUARDED_BY(mutex_) = 0;
  // That are being read, and by how many.
  std::vector<std::pair<std::shared_ptr<Anchor>, size_t>> anchors_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_VERSION_STORE_H_
