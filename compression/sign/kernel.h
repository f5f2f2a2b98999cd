// One bit per element, its sign, with one fp32 scale per block of 2^block_log2 elements.
// Pure: pointers and sizes, no validation, no allocation. The vector loops of the machine's best
// instruction set, chosen at run time; scalar.h is their reference.

#ifndef TIDEWAY_COMPRESSION_SIGN_KERNEL_H_
#define TIDEWAY_COMPRESSION_SIGN_KERNEL_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"

namespace tideway::compression {

// Writes one scale per block and one byte per eight elements; the residual, where there is one, becomes
// e - decoded. Returns the largest MagnitudeBits of e: from kInfinityBits on, what was written is
// worthless and the residual is as it was.
uint32_t EncodeSign(const Pushed& pushed, int block_log2, std::byte* scales, std::byte* values);

// accumulator += scale * decoded. False, with the accumulator half done, at a scale or a value that
// no encoder writes.
bool DecodeAddSign(const std::byte* scales, const std::byte* values, int block_log2,
                   size_t elements, float scale, float* accumulator);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_SIGN_KERNEL_H_
