// Stager: builds a version beside the one in use, from what a publisher sends.
//
//   Begin -> { TakeChanges | TakeWhole }... -> Finish... -> the staged copy is the version, every tensor's checksum is right
//
// Everything in a frame is checked before it is believed: versions, order, indices, lengths. A chunk is copied from the version
// in use when it is first touched, or at the end, and only if it differs there; so a version that changes little costs little.
//
// After an error the staged copy holds anything, and Begin begins anew on it: what it knows of each chunk stays true.
//
// Threads: none of its own; one call at a time. The version in use is only read.

#ifndef TIDEWAY_CORE_SYNC_STAGER_H_
#define TIDEWAY_CORE_SYNC_STAGER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/sync/chunk_table.h"
#include "core/sync/weight_copy.h"
#include "core/wire/weight_frames.h"
#include "tideway/codec.h"

namespace tideway::sync {

class Stager {
 public:
  // `codec` has a version_difference.
  Stager(std::shared_ptr<const ChunkTable> table, std::shared_ptr<const Codec> codec)
      : table_(std::move(table)), codec_(std::move(codec)) {}

  // `announced` is a kVersion frame with the checksums as its payload. `in_use`: the version that it starts from, or anything
  // where it starts from none; may be null then. Both copies outlive the stage. INVALID_ARGUMENT: it can't be such a frame.
  absl::Status Begin(const wire::WeightFrameHeader& announced, absl::Span<const std::byte> payload,
                     const WeightCopy* in_use, WeightCopy* staged);
  bool active() const { return staged_ != nullptr; }
  void Abandon() { staged_ = nullptr; }

  // One frame, checked and unpacked by its hash already. INVALID_ARGUMENT: it doesn't belong there. REQUIRES: active().
  absl::Status TakeChanges(const wire::WeightFrameHeader& header,
                           absl::Span<const std::byte> payload);
  absl::Status TakeWhole(const wire::WeightFrameHeader& header,
                         absl::Span<const std::byte> payload);
  // Whether all frames have come. REQUIRES: active().
  bool AllTaken() const { return frames_ == announced_.count; }

  // Goes on until about `bytes_max` are worked through; true: the staged copy is the version. DATA_LOSS, naming the tensor, if it
  // is not what the publisher has. REQUIRES: AllTaken().
  absl::StatusOr<bool> FinishSome(size_t bytes_max);

 private:
  // What this stage did to a chunk.
  enum class Touched : uint8_t { kNot, kUnhashed, kHashed };

  absl::Status CountFrame(const wire::WeightFrameHeader& header);
  absl::Status TakeRecord(const wire::WeightRecord& record, bool last_link);
  // Makes the chunk what it is in the version in use. Returns the bytes copied.
  size_t BringUp(size_t chunk);

  const std::shared_ptr<const ChunkTable> table_;
  const std::shared_ptr<const Codec> codec_;

  const WeightCopy* in_use_ = nullptr;
  WeightCopy* staged_ = nullptr;  // null: none is under way
  wire::WeightFrameHeader announced_;
  std::vector<uint64_t> checksums_;
  uint64_t frames_ = 0;     // taken
  uint64_t link_from_ = 0;  // the difference that comes now
  uint64_t link_to_ = 0;
  size_t next_chunk_ = 0;  // the first that may come, within this difference or the whole
  std::vector<Touched> touched_;
  size_t finished_ = 0;        // chunks
  uint64_t last_content_ = 0;  // numbers what chunks hold, over all stages
};

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_STAGER_H_
