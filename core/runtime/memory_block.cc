#include "core/runtime/memory_block.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

namespace tideway {

std::byte* AllocateBlock(size_t bytes, size_t alignment) {
  const bool huge = bytes >= kHugePageBytes;
  void* block = nullptr;
  if (posix_memalign(&block, huge ? std::max(kHugePageBytes, alignment) : alignment, bytes) != 0) {
    return nullptr;
  }
  // Advice only: where the kernel declines, the block works all the same.
  if (huge) (void)madvise(block, bytes, MADV_HUGEPAGE);
  return static_cast<std::byte*>(block);
}

}  // namespace tideway
