// Blocks of memory for bulk data: aligned for vectors, and on huge pages where they are large enough, since another process or
// an adapter that reads them looks every page up.

#ifndef TIDEWAY_CORE_RUNTIME_MEMORY_BLOCK_H_
#define TIDEWAY_CORE_RUNTIME_MEMORY_BLOCK_H_

#include <cstddef>

namespace tideway {

// From here on a block is aligned to, and asks for, transparent huge pages.
inline constexpr size_t kHugePageBytes = size_t{2} << 20;

// Not filled; aligned to `alignment`, a power of two, at least. Null where the system has no such memory. To be given back to
// std::free.
std::byte* AllocateBlock(size_t bytes, size_t alignment);

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_MEMORY_BLOCK_H_
