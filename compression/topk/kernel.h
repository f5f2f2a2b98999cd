// What topk does with the elements once they are chosen, and what undoes it: the scattered add.
// Pure: pointers and sizes, no validation of arguments, no allocation.

#ifndef TIDEWAY_COMPRESSION_TOPK_KERNEL_H_
#define TIDEWAY_COMPRESSION_TOPK_KERNEL_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"
#include "compression/common/sparse_values.h"
#include "compression/topk/chunk_code.h"
#include "compression/topk/index_code.h"
#include "compression/topk/scan.h"

namespace tideway::compression {

// Appends what is selected, from the whole fragment or from each chunk, by ascending index. Returns the largest MagnitudeBits of e; from
// kInfinityBits on, what was appended is worthless.
// REQUIRES: layout.k >= 1; RoomFor(layout) free slots.
uint32_t SelectAll(const Pushed& pushed, const IndexLayout& layout, Candidates* selected);
uint32_t SelectAll(const Pushed& pushed, const ChunkLayout& layout, Candidates* selected);

size_t RoomFor(const IndexLayout& layout);
size_t RoomFor(const ChunkLayout& layout);

// residual = e, and at each of the k ascending indices what `left` holds.
void WriteResidual(const Pushed& pushed, const uint32_t* indices, const float* left, size_t k);

// accumulator[index] += scale * value for all k. False, with the accumulator half done, if `in`
// holds an index or a value that no encoder writes. REQUIRES: layout.k >= 1.
bool ScatterAdd(const IndexLayout& layout, const ValueFormat& format, const std::byte* in,
                float scale, float* accumulator);
bool ScatterAdd(const ChunkLayout& layout, const ValueFormat& format, const std::byte* in,
                float scale, float* accumulator);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_TOPK_KERNEL_H_
