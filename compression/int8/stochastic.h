// int8 with stochastic rounding: the format of kernel.h, whose DecodeAddInt8 reads it. Pure; the vector
// loops of the machine's best instruction set, with stochastic_scalar.h as their reference.

#ifndef TIDEWAY_COMPRESSION_INT8_STOCHASTIC_H_
#define TIDEWAY_COMPRESSION_INT8_STOCHASTIC_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"

namespace tideway::compression {

// As EncodeInt8. The random numbers follow from the seed and the data, as spec.md says.
uint32_t EncodeInt8Stochastic(const Pushed& pushed, int block_log2, uint64_t seed,
                              std::byte* scales, std::byte* values);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_INT8_STOCHASTIC_H_
