// The upper half of each fp32. Pure: pointers and sizes, no validation, no allocation. The vector
// loops of the machine's best instruction set, chosen at run time; scalar.h is their reference.

#ifndef TIDEWAY_COMPRESSION_BF16_KERNEL_H_
#define TIDEWAY_COMPRESSION_BF16_KERNEL_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"

namespace tideway::compression {

// Writes 2 * elements bytes; the residual, where there is one, becomes e - decoded. Returns the
// largest MagnitudeBits of e: from kInfinityBits on, what was written is worthless, and so is the
// residual: where there is one, look before (CheckFinite).
uint32_t EncodeBf16(const Pushed& pushed, std::byte* out);

// accumulator += scale * in. Returns the largest MagnitudeBits seen.
uint32_t DecodeAddBf16(const std::byte* in, size_t elements, float scale, float* accumulator);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_BF16_KERNEL_H_
