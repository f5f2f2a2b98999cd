// The values of the selected elements, as fp32, bf16 or int8 with block scales, and the scattered
// add that undoes it. Pure: pointers and sizes, no validation of arguments, no allocation.

#ifndef TIDEWAY_COMPRESSION_TOPK_KERNEL_H_
#define TIDEWAY_COMPRESSION_TOPK_KERNEL_H_

#include <cstddef>
#include <cstdint>

#include "compression/topk/index_code.h"

namespace tideway::compression {

// The numbers are those on the wire.
enum class ValueKind : uint8_t { kFp32 = 0, kBf16 = 1, kInt8 = 2 };
inline constexpr int kValueKinds = 3;

// How the values of a message are written. block_log2 is 0 unless kind is kInt8.
struct ValueFormat {
  ValueKind kind;
  int block_log2;
};

size_t ValueBytes(const ValueFormat& format, size_t k);

// Writes ValueBytes(format, k) bytes for values[indices[0..k)]. With a residual, residual[index]
// becomes value - decoded for each of them; values == residual is allowed.
void EncodeValues(const ValueFormat& format, const float* values, const uint32_t* indices, size_t k,
                  std::byte* out, float* residual);

// accumulator[index] += scale * value for all k. False, with the accumulator half done, if `in`
// holds an index or a value that no encoder writes.
bool ScatterAdd(const IndexLayout& layout, const ValueFormat& format, const std::byte* in,
                float scale, float* accumulator);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_TOPK_KERNEL_H_
