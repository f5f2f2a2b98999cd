// Raw little-endian fp32. Pure: pointers and sizes, no validation, no allocation.

#ifndef TIDEWAY_COMPRESSION_IDENTITY_KERNEL_H_
#define TIDEWAY_COMPRESSION_IDENTITY_KERNEL_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"

namespace tideway::compression {

// Writes 4 * elements bytes; the residual, where there is one, becomes zero.
void EncodeIdentity(const Pushed& pushed, std::byte* out);

// accumulator += scale * in. Returns the largest MagnitudeBits seen.
uint32_t DecodeAddIdentity(const std::byte* in, size_t elements, float scale, float* accumulator);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_IDENTITY_KERNEL_H_
