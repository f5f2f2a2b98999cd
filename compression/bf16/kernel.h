// The upper half of each fp32. Pure: pointers and sizes, no validation, no allocation.

#ifndef TIDEWAY_COMPRESSION_BF16_KERNEL_H_
#define TIDEWAY_COMPRESSION_BF16_KERNEL_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"

namespace tideway::compression {

// Writes 2 * elements bytes; the residual, where there is one, becomes e - decoded. REQUIRES:
// finite e.
void EncodeBf16(const Pushed& pushed, std::byte* out);

// accumulator += scale * in. Returns the largest magnitude (15 bits) seen: from 0x7f80 on it is not
// finite.
uint32_t DecodeAddBf16(const std::byte* in, size_t elements, float scale, float* accumulator);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_BF16_KERNEL_H_
