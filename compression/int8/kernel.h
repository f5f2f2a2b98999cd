// int8 values with one fp32 scale per block of 2^block_log2 elements. Pure: pointers and sizes, no
// validation, no allocation.

#ifndef TIDEWAY_COMPRESSION_INT8_KERNEL_H_
#define TIDEWAY_COMPRESSION_INT8_KERNEL_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"

namespace tideway::compression {

// Writes one scale per block and touches nothing else, so that a refusal leaves the residual as it
// was. Returns the largest MagnitudeBits of e: from kInfinityBits on, the scales are worthless.
uint32_t WriteScales(const Pushed& pushed, int block_log2, std::byte* scales);

// Writes one byte per element with the scales that WriteScales left; the residual, where there is
// one, becomes e - decoded.
void EncodeInt8(const Pushed& pushed, int block_log2, const std::byte* scales, std::byte* values);

// accumulator += scale * decoded. False, with the accumulator half done, at a scale or a value that
// no encoder writes.
bool DecodeAddInt8(const std::byte* scales, const std::byte* values, int block_log2,
                   size_t elements, float scale, float* accumulator);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_INT8_KERNEL_H_
