// One pass over e = delta + decay * residual that remembers the few elements which may be selected.
// Vectorised for the machine that runs them (Highway), with the same bits on
// every one. Pure: pointers and sizes, no validation, no allocation.

#ifndef TIDEWAY_COMPRESSION_TOPK_SCAN_H_
#define TIDEWAY_COMPRESSION_TOPK_SCAN_H_

#include <cstddef>
#include <cstdint>

#include "compression/common/feedback.h"

namespace tideway::compression {

// Elements of e that may be selected, by ascending index.
struct Candidates {
  uint32_t* indices;
  float* values;  // e at those indices
  size_t capacity;
  size_t count;
};

// A scan stops where fewer free slots than these are left: one step's worth, and what a whole vector
// stores beyond what it keeps.
inline constexpr size_t kScanStep = 1024;
inline constexpr size_t kScanSlack = kScanStep + 16;

// Looks at the elements from `first` on, up to `last` or until the room for candidates is used up;
// returns where it stopped. Those of at least `bound` in MagnitudeBits are appended. `largest`
// rises to the largest MagnitudeBits seen.
size_t ScanCandidates(const Pushed& pushed, size_t first, size_t last, uint32_t bound,
                      Candidates* candidates, uint32_t* largest);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_TOPK_SCAN_H_
