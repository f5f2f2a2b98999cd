#include "compression/randomk/kernel.h"

#include <xxhash.h>

#include <algorithm>

#include "compression/common/float_bits.h"

namespace tideway::compression {
namespace {

constexpr size_t kTile = 1024;  // hashed at a time, on the stack

// SplitMix64's output function.
uint64_t Mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

// The bits of e in little-endian order, -0 as +0, so that equal numbers have equal hashes.
template <bool kFeedback>
uint32_t FillTile(const Pushed& pushed, size_t first, size_t count, uint32_t* tile) {
  const float* const delta = pushed.delta;
  const float* const residual = pushed.residual;
  const float decay = pushed.decay;
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    const float e = ElementOf<kFeedback>(delta, residual, decay, first + i) + 0.0f;
    largest = std::max(largest, MagnitudeBits(e));
    tile[i] = ToLittleEndian(BitsOf(e));
  }
  return largest;
}

float ElementAt(const Pushed& pushed, size_t i) {
  return pushed.residual == nullptr
             ? pushed.delta[i]
             : ElementOf<true>(pushed.delta, pushed.residual, pushed.decay, i);
}

}  // namespace

StratifiedPlaces::StratifiedPlaces(size_t elements, size_t k, uint64_t seed)
    : k_(k), length_(elements / k), excess_(elements % k), state_(seed) {}

uint32_t StratifiedPlaces::Next() {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
  carry_ += excess_;
  const bool longer = carry_ >= k_;
  carry_ -= longer ? k_ : 0;
  const uint64_t length = length_ + (longer ? 1 : 0);
  state_ += kGolden;
  const uint64_t place = first_ + ((Mix(state_) >> 32) * length >> 32);
  first_ += length;
  return static_cast<uint32_t>(place);
}

DataSeed SeedFrom(const Pushed& pushed, uint64_t seed) {
  uint32_t tile[kTile];
  DataSeed result{seed, 0};
  for (size_t first = 0; first < pushed.elements; first += kTile) {
    const size_t count = std::min(kTile, pushed.elements - first);
    const uint32_t largest = pushed.residual == nullptr
                                 ? FillTile<false>(pushed, first, count, tile)
                                 : FillTile<true>(pushed, first, count, tile);
    result.magnitude_bits_max = std::max(result.magnitude_bits_max, largest);
    result.seed = XXH3_64bits_withSeed(tile, count * sizeof(uint32_t), result.seed);
  }
  return result;
}

void GatherPlaces(const Pushed& pushed, size_t k, uint64_t seed, float* values) {
  StratifiedPlaces places(pushed.elements, k, seed);
  for (size_t rank = 0; rank < k; ++rank) values[rank] = ElementAt(pushed, places.Next());
}

void WriteResidualAtPlaces(const Pushed& pushed, size_t k, uint64_t seed, const float* left) {
  AddFeedback(pushed);
  StratifiedPlaces places(pushed.elements, k, seed);
  for (size_t rank = 0; rank < k; ++rank) pushed.residual[places.Next()] = left[rank];
}

bool AddAtPlaces(size_t elements, size_t k, uint64_t seed, const ValueFormat& format,
                 const std::byte* in, float scale, float* accumulator) {
  float values[kValueBatch];
  uint32_t indices[kValueBatch];
  StratifiedPlaces places(elements, k, seed);
  for (size_t first = 0; first < k; first += kValueBatch) {
    const size_t count = std::min(kValueBatch, k - first);
    for (size_t i = 0; i < count; ++i) {
      indices[i] = places.Next();
      __builtin_prefetch(accumulator + indices[i], 1);
    }
    if (!DecodeValues(format, in, k, first, count, values)) return false;
    for (size_t i = 0; i < count; ++i) accumulator[indices[i]] += scale * values[i];
  }
  return ValuePaddingIsZero(format, in, k);
}

}  // namespace tideway::compression
