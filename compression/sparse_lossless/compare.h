// Which words differ between two versions of a vector. Pure, in vectors of every instruction set.

#ifndef TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_COMPARE_H_
#define TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_COMPARE_H_

#include <cstddef>
#include <cstdint>

#include "compression/sparse_lossless/kernel.h"

namespace tideway::compression {

inline constexpr size_t kWordsPerMask = 64;

// Sets bit i of masks[m] where word first + 64 m + i of the two versions differs, for `masks_count` masks.
// REQUIRES: the versions have so many words from `first` on.
void CompareWords(const Versions& versions, size_t first, size_t masks_count, uint64_t* masks);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_COMPARE_H_
