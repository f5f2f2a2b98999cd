// ChunkTable: a model cut into chunks, the unit in which weights are encoded, hashed, sent and staged.
//
// A chunk lies in one tensor and has chunk_bytes, the last one of a tensor what is left. Chunks are numbered through all
// tensors in order. A copy of the model is one block in which each tensor begins at a multiple of 64 bytes. A run is a row of
// chunks whose changes travel in one frame.
//
// Immutable after Create; any thread.

#ifndef TIDEWAY_CORE_SYNC_CHUNK_TABLE_H_
#define TIDEWAY_CORE_SYNC_CHUNK_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tideway/limits.h"
#include "tideway/weights.h"

namespace tideway::sync {

struct Chunk {
  uint32_t tensor = 0;
  uint32_t index = 0;       // within the tensor
  size_t offset = 0;        // bytes into the tensor
  size_t block_offset = 0;  // bytes into a copy's block
  uint32_t bytes = 0;
  uint32_t word_bytes = 0;
};

struct ChunkRange {
  size_t begin = 0;
  size_t end = 0;
};

class ChunkTable {
 public:
  // INVALID_ARGUMENT: chunk_bytes is no multiple of 4 within the limits, or makes more than kWeightChunksMax chunks.
  static absl::StatusOr<ChunkTable> Create(const WeightLayout& layout, size_t chunk_bytes,
                                           size_t run_bytes = kWeightRunBytes);

  const WeightLayout& layout() const { return layout_; }
  size_t chunk_bytes() const { return chunk_bytes_; }
  const std::vector<Chunk>& chunks() const { return chunks_; }
  const std::vector<ChunkRange>& runs() const { return runs_; }
  ChunkRange ChunksOf(size_t tensor) const { return {first_[tensor], first_[tensor + 1]}; }
  // The number of a tensor's chunk; none if there is no such tensor or chunk.
  std::optional<size_t> Find(uint32_t tensor, uint32_t index) const;
  // Of a whole copy.
  size_t block_bytes() const { return block_bytes_; }
  size_t block_offset_of(size_t tensor) const { return chunks_[first_[tensor]].block_offset; }

 private:
  ChunkTable(const WeightLayout& layout, size_t chunk_bytes)
      : layout_(layout), chunk_bytes_(chunk_bytes) {}
  void CutTensor(uint32_t tensor);
  void MakeRuns(size_t run_bytes);

  WeightLayout layout_;
  size_t chunk_bytes_;
  size_t block_bytes_ = 0;
  std::vector<Chunk> chunks_;
  std::vector<size_t> first_ = {0};  // of each tensor, and one behind the last
  std::vector<ChunkRange> runs_;
};

// A tensor's checksum: the XXH3-64 of the XXH3-64s of its chunks, in order, as little-endian words. `chunk_hashes`: of all.
std::vector<uint64_t> TensorChecksums(const ChunkTable& table,
                                      absl::Span<const uint64_t> chunk_hashes);

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_CHUNK_TABLE_H_
