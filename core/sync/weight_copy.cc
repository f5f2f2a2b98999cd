#include "core/sync/weight_copy.h"

#include "absl/strings/str_cat.h"
#include "core/runtime/memory_block.h"
#include "tideway/buffer.h"

namespace tideway::sync {

absl::StatusOr<std::unique_ptr<WeightCopy>> WeightCopy::Create(
    std::shared_ptr<const ChunkTable> table) {
  std::byte* const block = AllocateBlock(table->block_bytes(), kBufferAlignment);
  if (block == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for another copy of the model (", table->block_bytes(), " bytes)"));
  }
  return std::unique_ptr<WeightCopy>(new WeightCopy(std::move(table), block));
}

}  // namespace tideway::sync
