// Halves (IEEE binary16) of e * 2^-shift. Pure: pointers and sizes, no validation, no allocation. The
// vector loops of the machine's best instruction set, chosen at run time; scalar.h is their
// reference. They round with integers, since not every machine that converts keeps denormals.

#ifndef TIDEWAY_COMPRESSION_FP16_KERNEL_H_
#define TIDEWAY_COMPRESSION_FP16_KERNEL_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"

namespace tideway::compression {

// Writes 2 * elements bytes; the residual, where there is one, becomes e - decoded. Returns the
// largest MagnitudeBits of e: where that is not finite or asks for another shift (ShiftFor), what was
// written is worthless, and so is the residual: where there is one, look before.
uint32_t EncodeFp16(const Pushed& pushed, int shift, std::byte* out);

// accumulator += scale * decoded. Returns the largest half without its sign: from kHalfInfinity on it
// is not finite.
uint32_t DecodeAddFp16(const std::byte* in, int shift, size_t elements, float scale,
                       float* accumulator);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_FP16_KERNEL_H_
