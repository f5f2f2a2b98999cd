// One Zstandard frame from bytes, and back. Pure, but for the memory that libzstd works in and gives back.

#ifndef TIDEWAY_COMPRESSION_ZSTD_KERNEL_H_
#define TIDEWAY_COMPRESSION_ZSTD_KERNEL_H_

#include <cstddef>

#include "absl/types/span.h"

namespace tideway::compression {

inline constexpr int kZstdLevelMin = 1;
inline constexpr int kZstdLevelMax = 19;  // above, memory grows and slow links gain nothing

// Puts a frame of `bytes` in their place if that is smaller, and returns its length; else leaves them
// and returns 0.
size_t CompressInPlace(absl::Span<std::byte> bytes, int level);

// False unless `in` is exactly one frame of exactly out.size() bytes. REQUIRES: out is not empty.
bool Decompress(absl::Span<const std::byte> in, absl::Span<std::byte> out);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_ZSTD_KERNEL_H_
