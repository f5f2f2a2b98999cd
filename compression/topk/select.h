// Which elements go: the k of largest magnitude, the lower index first among equals. Exact, and
// nothing is sorted: a guess of the k-th largest magnitude keeps all but a few elements out of the
// one pass over the data; among those few a histogram finds the true one. A guess that was too high
// costs another pass, one that was too low a few more histograms, and neither changes the result.
// Pure: pointers and sizes, no validation, no allocation (8 KiB of stack).

#ifndef TIDEWAY_COMPRESSION_TOPK_SELECT_H_
#define TIDEWAY_COMPRESSION_TOPK_SELECT_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"
#include "compression/topk/scan.h"

namespace tideway::compression {

// Every element above the threshold is selected, and of those equal to it the first `ties`.
struct Cut {
  uint32_t magnitude_bits;
  size_t ties;
};

// REQUIRES: 1 <= k <= count, finite values.
Cut FindCut(const float* values, size_t count, size_t k);

// The capacity that SelectLargest asks of its candidates, for the k of `elements`.
size_t SelectionRoom(size_t elements, size_t k);

// A bound that about k of the elements first..last-1 reach and probably not fewer, from a sample at
// places that depend on their number alone; 0 where a sample is not worth it. The free part of
// `scratch` is written to.
uint32_t GuessBound(const Pushed& pushed, size_t first, size_t last, size_t k,
                    const Candidates& scratch);

// Appends the selected k of the elements first..last-1, ascending. Returns their largest
// MagnitudeBits; from kInfinityBits on, what was appended is worthless. `bound` is a guess (any) and
// becomes the magnitude of the cut.
// REQUIRES: 1 <= k <= last - first; SelectionRoom(last - first, k) free slots.
uint32_t SelectLargest(const Pushed& pushed, size_t first, size_t last, size_t k, uint32_t* bound,
                       Candidates* selected);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_TOPK_SELECT_H_
