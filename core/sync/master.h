// Master: the publisher's copy of the newest version, and how it becomes the next one.
//
// Advance compares the new weights with the copy chunk by chunk: encodes the difference, takes the chunk over and hashes it, all
// while it is in the processor's cache. Runs of chunks go to as many threads as are free. The hash is that of the copy: should the
// caller's memory have changed in the middle, subscribers find that the difference does not lead there, and are sent the copy as
// the whole.
//
// An Anchor is a whole version that somebody is being sent while Advance goes on. It costs nothing until a chunk is
// overwritten: then what the chunk held is saved for it. So a slow subscriber never holds the publisher up, and an anchor costs
// one more copy of the model at most.
//
// Threads: Advance by one thread at a time; helpers come from the executor. Anchors are made between two Advances, and read at
// any time, from any thread.

#ifndef TIDEWAY_CORE_SYNC_MASTER_H_
#define TIDEWAY_CORE_SYNC_MASTER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "core/sync/chunk_table.h"
#include "core/sync/edition.h"
#include "core/sync/weight_copy.h"
#include "tideway/codec.h"
#include "tideway/executor.h"

namespace tideway::sync {

class Anchor {
 public:
  Anchor(uint64_t version, Checksums checksums, size_t chunks)
      : version_(version), checksums_(std::move(checksums)), saved_(chunks) {}

  uint64_t version() const { return version_; }
  const Checksums& checksums() const { return checksums_; }

 private:
  friend class Master;

  const uint64_t version_;
  const Checksums checksums_;
  // What chunks held that have been overwritten since. The master's lock of the chunk guards it.
  std::vector<std::unique_ptr<std::byte[]>> saved_;
};

class Master {
 public:
  // `codec` has a version_difference. INVALID_ARGUMENT: a run encoded with it may not fit into a message. RESOURCE_EXHAUSTED: no
  // memory.
  static absl::StatusOr<std::unique_ptr<Master>> Create(std::shared_ptr<const ChunkTable> table,
                                                        std::shared_ptr<const Codec> codec);

  // 0: none yet.
  uint64_t version() const { return version_; }

  // Makes the copy equal to `weights` (one pointer per tensor, read during the call) and gives the difference back. `anchors`: all
  // that anybody still reads. `helpers`: where other threads may come from, `helpers_max` of them; the caller's works anyway.
  // If the codec fails, the edition's `from` is 0: no difference leads to the version, but it is there.
  Edition Advance(uint64_t version, absl::Span<const std::byte* const> weights,
                  absl::Span<const std::shared_ptr<Anchor>> anchors, Executor* helpers,
                  int helpers_max);

  // Of the present version. Costs no copy. REQUIRES: version() != 0, and no Advance is under way.
  std::shared_ptr<Anchor> NewAnchor(Checksums checksums) const;
  // Copies what the chunk held in the anchor's version. REQUIRES: as long as the chunk.
  void ReadChunk(const Anchor& anchor, size_t chunk, absl::Span<std::byte> destination) const;

 private:
  class Job;  // one Advance
  using Scratch = std::vector<std::byte>;

  Master(std::shared_ptr<const ChunkTable> table, std::shared_ptr<const Codec> codec,
         std::unique_ptr<WeightCopy> copy, size_t run_bytes_max)
      : table_(std::move(table)),
        codec_(std::move(codec)),
        copy_(std::move(copy)),
        run_bytes_max_(run_bytes_max) {}

  std::unique_ptr<Scratch> TakeScratch();
  void GiveScratch(std::unique_ptr<Scratch> scratch);
  // Which lock guards a chunk's bytes in copy_ and in anchors.
  absl::Mutex& LockOf(size_t chunk) const { return locks_[chunk % locks_.size()]; }
  void AdvanceRun(Job& job, size_t run);
  // Returns the bytes written to `out`; 0 where nothing changed.
  size_t AdvanceChunk(Job& job, size_t chunk, absl::Span<std::byte> out);
  void SaveFor(absl::Span<const std::shared_ptr<Anchor>> anchors, size_t chunk) const;

  const std::shared_ptr<const ChunkTable> table_;
  const std::shared_ptr<const Codec> codec_;
  const std::unique_ptr<WeightCopy> copy_;
  const size_t run_bytes_max_;  // of a run's records
  uint64_t version_ = 0;
  mutable std::array<absl::Mutex, 64> locks_;

  absl::Mutex scratch_mutex_;
  std::vector<std::unique_ptr<Scratch>> idle_scratch_ ABSL_GUARDED_BY(scratch_mutex_);
};

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_MASTER_H_
