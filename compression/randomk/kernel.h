// Places that a seed gives, so that no index has to travel: one in each of k equal strata of the
// fragment. Pure: pointers and sizes, no validation, no allocation.

#ifndef TIDEWAY_COMPRESSION_RANDOMK_KERNEL_H_
#define TIDEWAY_COMPRESSION_RANDOMK_KERNEL_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"
#include "compression/common/sparse_values.h"

namespace tideway::compression {

// Hands out the k places one after another, ascending. Whatever the seed, each is below `elements`.
class StratifiedPlaces {
 public:
  // REQUIRES: 1 <= k <= elements < 2^32.
  StratifiedPlaces(size_t elements, size_t k, uint64_t seed);

  // REQUIRES: not more than k calls.
  uint32_t Next();

 private:
  const uint64_t k_;
  const uint64_t length_;  // of a stratum; some are longer by one
  const uint64_t excess_;  // how many are, of k
  uint64_t first_ = 0;     // where the next stratum starts
  uint64_t carry_ = 0;
  uint64_t state_;
};

struct DataSeed {
  uint64_t seed;
  uint32_t magnitude_bits_max;  // from kInfinityBits on, e has what is not finite
};

// A hash over all of e: whoever pushes other values sends other places. Reads only.
DataSeed SeedFrom(const Pushed& pushed, uint64_t seed);

// Writes e at the places, in their order.
void GatherPlaces(const Pushed& pushed, size_t k, uint64_t seed, float* values);

// residual = e, and at the places what `left` holds.
void WriteResidualAtPlaces(const Pushed& pushed, size_t k, uint64_t seed, const float* left);

// accumulator += scale * decoded. False, with the accumulator half done, at a scale or a value that
// no encoder writes. REQUIRES: 1 <= k <= elements.
bool AddAtPlaces(size_t elements, size_t k, uint64_t seed, const ValueFormat& format,
                 const std::byte* in, float scale, float* accumulator);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_RANDOMK_KERNEL_H_
