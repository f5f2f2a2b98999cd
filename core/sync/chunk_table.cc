#include "core/sync/chunk_table.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "core/wire/payload_scan.h"
#include "tideway/buffer.h"

namespace tideway::sync {
namespace {

static_assert(std::endian::native == std::endian::little,
              "checksums hash the chunks' hashes as they lie in memory");

}  // namespace

absl::StatusOr<ChunkTable> ChunkTable::Create(const WeightLayout& layout, size_t chunk_bytes,
                                              size_t run_bytes) {
  if (chunk_bytes < kWeightChunkBytesMin || chunk_bytes > kWeightChunkBytesMax ||
      chunk_bytes % 4 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk_bytes is ", chunk_bytes, "; give a multiple of 4 from ",
                     kWeightChunkBytesMin, " to ", kWeightChunkBytesMax));
  }
  size_t count = 0;
  for (size_t tensor = 0; tensor < layout.tensors().size(); ++tensor) {
    count += (layout.bytes_of(tensor) + chunk_bytes - 1) / chunk_bytes;
  }
  if (count > kWeightChunksMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk_bytes ", chunk_bytes, " cuts ", layout.ToString(), " into ", count,
                     " chunks; raise it, so that there are at most ", kWeightChunksMax));
  }
  ChunkTable table(layout, chunk_bytes);
  table.chunks_.reserve(count);
  for (uint32_t tensor = 0; tensor < layout.tensors().size(); ++tensor) table.CutTensor(tensor);
  table.MakeRuns(run_bytes);
  return table;
}

void ChunkTable::CutTensor(uint32_t tensor) {
  const size_t bytes = layout_.bytes_of(tensor);
  const auto word_bytes = static_cast<uint32_t>(WordBytes(layout_.tensors()[tensor].type));
  uint32_t index = 0;
  for (size_t offset = 0; offset < bytes; offset += chunk_bytes_) {
    chunks_.push_back({.tensor = tensor,
                       .index = index++,
                       .offset = offset,
                       .block_offset = block_bytes_ + offset,
                       .bytes = static_cast<uint32_t>(std::min(chunk_bytes_, bytes - offset)),
                       .word_bytes = word_bytes});
  }
  first_.push_back(chunks_.size());
  block_bytes_ += (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
}

void ChunkTable::MakeRuns(size_t run_bytes) {
  size_t begin = 0;
  size_t bytes = 0;
  for (size_t i = 0; i < chunks_.size(); ++i) {
    bytes += chunks_[i].bytes;
    const bool full = bytes >= run_bytes || i + 1 - begin == kWeightRunChunksMax;
    if (!full && i + 1 < chunks_.size()) continue;
    runs_.push_back({begin, i + 1});
    begin = i + 1;
    bytes = 0;
  }
}

std::optional<size_t> ChunkTable::Find(uint32_t tensor, uint32_t index) const {
  if (tensor >= layout_.tensors().size()) return std::nullopt;
  const ChunkRange range = ChunksOf(tensor);
  if (index >= range.end - range.begin) return std::nullopt;
  return range.begin + index;
}

std::vector<uint64_t> TensorChecksums(const ChunkTable& table,
                                      absl::Span<const uint64_t> chunk_hashes) {
  std::vector<uint64_t> checksums;
  checksums.reserve(table.layout().tensors().size());
  for (size_t tensor = 0; tensor < table.layout().tensors().size(); ++tensor) {
    const ChunkRange range = table.ChunksOf(tensor);
    const auto hashes = chunk_hashes.subspan(range.begin, range.end - range.begin);
    checksums.push_back(wire::HashBytes(absl::MakeConstSpan(
        reinterpret_cast<const std::byte*>(hashes.data()), hashes.size() * sizeof(uint64_t))));
  }
  return checksums;
}

}  // namespace tideway::sync
