// Which elements go: the k of largest magnitude, the lower index first among equals. Exact, without
// sorting: three histograms over the bits of the magnitude find the k-th largest, one more pass
// gathers. Pure: pointers and sizes, no validation, no allocation (8 KiB of stack).

#ifndef TIDEWAY_COMPRESSION_TOPK_SELECT_H_
#define TIDEWAY_COMPRESSION_TOPK_SELECT_H_

#include <cstddef>
#include <cstdint>

namespace tideway::compression {

// Every element above the threshold is selected, and of those equal to it the first `ties`.
struct Cut {
  uint32_t magnitude_bits;
  size_t ties;
};

// REQUIRES: 1 <= k <= elements, finite values.
Cut FindCut(const float* values, size_t elements, size_t k);

// Writes the selected indices, ascending: as many as the k that the cut was made for.
void GatherIndices(const float* values, size_t elements, const Cut& cut, uint32_t* indices);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_TOPK_SELECT_H_
