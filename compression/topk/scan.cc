// Highway compiles this file once for each instruction set, each time in another HWY_NAMESPACE.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compression/topk/scan.cc"
#include "hwy/foreach_target.h"  // first of the Highway headers

#include "compression/topk/scan.h"

#include <algorithm>

#include "compression/common/float_bits.h"
#include "hwy/highway.h"

#include "compression/common/simd.inc"

HWY_BEFORE_NAMESPACE();
namespace tideway::compression::HWY_NAMESPACE {
namespace {

// One step. Magnitudes are compared as signed integers, which they fit and which every machine can.
template <bool kFeedback>
HWY_INLINE void ScanStep(const Pushed& pushed, size_t first, size_t last, uint32_t bound,
                         Candidates* candidates, uint32_t* largest) {
  const Floats floats;
  const Ints ints;
  const size_t lanes = hn::Lanes(floats);
  const Pushed all = pushed;  // whose pointers no store below changes
  uint32_t* HWY_RESTRICT indices = candidates->indices + candidates->count;
  float* HWY_RESTRICT values = candidates->values + candidates->count;
  size_t found = 0;
  const auto decay = hn::Set(floats, pushed.decay);
  const auto below = hn::Set(ints, static_cast<int32_t>(bound) - 1);
  const auto step = hn::Set(ints, static_cast<int32_t>(lanes));
  auto index = hn::Iota(ints, static_cast<int32_t>(first));
  auto most = hn::Zero(ints);
  size_t i = first;
  for (; i + lanes <= last; i += lanes, index = hn::Add(index, step)) {
    const auto e = ElementsAt<kFeedback>(all, decay, i);
    const auto magnitude = Magnitudes(e);
    most = hn::Max(most, magnitude);
    const auto chosen = hn::Gt(magnitude, below);
    if (hn::AllFalse(ints, chosen)) continue;
    hn::StoreU(hn::Compress(index, chosen), ints, reinterpret_cast<int32_t*>(indices + found));
    hn::StoreU(hn::Compress(e, hn::RebindMask(floats, chosen)), floats, values + found);
    found += hn::CountTrue(ints, chosen);
  }
  uint32_t rest = LargestOf(most);
  for (; i < last; ++i) {
    const float e = ElementOf<kFeedback>(all, i);
    rest = std::max(rest, MagnitudeBits(e));
    if (MagnitudeBits(e) < bound) continue;
    indices[found] = static_cast<uint32_t>(i);
    values[found++] = e;
  }
  candidates->count += found;
  *largest = std::max(*largest, rest);
}

size_t Scan(const Pushed& pushed, size_t first, size_t last, uint32_t bound, Candidates* candidates,
            uint32_t* largest) {
  while (first < last && candidates->capacity - candidates->count >= kScanSlack) {
    const size_t end = std::min(last, first + kScanStep);
    if (pushed.residual == nullptr) {
      ScanStep<false>(pushed, first, end, bound, candidates, largest);
    } else {
      ScanStep<true>(pushed, first, end, bound, candidates, largest);
    }
    first = end;
  }
  return first;
}

}  // namespace
}  // namespace tideway::compression::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tideway::compression {

HWY_EXPORT(Scan);

size_t ScanCandidates(const Pushed& pushed, size_t first, size_t last, uint32_t bound,
                      Candidates* candidates, uint32_t* largest) {
  return HWY_DYNAMIC_DISPATCH(Scan)(pushed, first, last, bound, candidates, largest);
}

}  // namespace tideway::compression
#endif  // HWY_ONCE
