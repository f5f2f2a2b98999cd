// WeightCopy: one whole copy of a model's weights, with what is known of each chunk.
//
// Threads: none of its own; its owner says who writes when.

#ifndef TIDEWAY_CORE_SYNC_WEIGHT_COPY_H_
#define TIDEWAY_CORE_SYNC_WEIGHT_COPY_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/sync/chunk_table.h"

namespace tideway::sync {

class WeightCopy {
 public:
  // Of unspecified content. RESOURCE_EXHAUSTED: the system has no such memory.
  static absl::StatusOr<std::unique_ptr<WeightCopy>> Create(
      std::shared_ptr<const ChunkTable> table);

  absl::Span<std::byte> chunk(const Chunk& chunk) {
    return {block_.get() + chunk.block_offset, chunk.bytes};
  }
  absl::Span<const std::byte> chunk(const Chunk& chunk) const {
    return {block_.get() + chunk.block_offset, chunk.bytes};
  }
  absl::Span<const std::byte> tensor(size_t tensor) const {
    return {block_.get() + table_->block_offset_of(tensor), table_->layout().bytes_of(tensor)};
  }

  const std::shared_ptr<const ChunkTable>& table() const { return table_; }

  std::vector<uint64_t> hashes;  // of each chunk
  // What each chunk holds, as its owner numbers it: two copies whose chunks have one number have the same bytes there. 0: unknown.
  std::vector<uint64_t> contents;

 private:
  struct Free {
    void operator()(std::byte* block) const { std::free(block); }
  };

  WeightCopy(std::shared_ptr<const ChunkTable> table, std::byte* block)
      : hashes(table->chunks().size()),
        contents(table->chunks().size()),
        table_(std::move(table)),
        block_(block) {}

  const std::shared_ptr<const ChunkTable> table_;
  const std::unique_ptr<std::byte, Free> block_;
};

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_WEIGHT_COPY_H_
