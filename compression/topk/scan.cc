// Highway compiles this file once for each instruction set, each time in another HWY_NAMESPACE.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compression/topk/scan.cc"
#include "hwy/foreach_target.h"  // first of the Highway headers

#include "compression/topk/scan.h"

#include <algorithm>

#include "compression/common/float_bits.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tideway::compression::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// At most 16 lanes, so that a store of a whole vector needs no more slack than kScanSlack has.
using Floats = hn::CappedTag<float, 16>;
using Ints = hn::RebindToSigned<Floats>;
using FloatVector = hn::Vec<Floats>;

template <bool kFeedback>
HWY_INLINE FloatVector Elements(const float* delta, const float* residual, FloatVector decay,
                                size_t i) {
  const Floats floats;
  const auto pushed = hn::LoadU(floats, delta + i);
  if constexpr (!kFeedback) return pushed;
  // Rounded twice: MulAdd would differ between machines.
  return hn::Add(pushed, hn::Mul(decay, hn::LoadU(floats, residual + i)));
}

// One step. Magnitudes are compared as signed integers, which they fit and which every machine can.
template <bool kFeedback>
HWY_INLINE void ScanStep(const Pushed& pushed, size_t first, size_t last, uint32_t bound,
                         Candidates* candidates, uint32_t* largest) {
  const Floats floats;
  const Ints ints;
  const size_t lanes = hn::Lanes(floats);
  const float* HWY_RESTRICT delta = pushed.delta;
  const float* HWY_RESTRICT residual = pushed.residual;
  uint32_t* HWY_RESTRICT indices = candidates->indices + candidates->count;
  float* HWY_RESTRICT values = candidates->values + candidates->count;
  size_t found = 0;
  const auto decay = hn::Set(floats, pushed.decay);
  const auto below = hn::Set(ints, static_cast<int32_t>(bound) - 1);
  const auto magnitude_mask = hn::Set(ints, 0x7fffffff);
  const auto step = hn::Set(ints, static_cast<int32_t>(lanes));
  auto index = hn::Iota(ints, static_cast<int32_t>(first));
  auto most = hn::Zero(ints);
  size_t i = first;
  for (; i + lanes <= last; i += lanes, index = hn::Add(index, step)) {
    const auto e = Elements<kFeedback>(delta, residual, decay, i);
    const auto magnitude = hn::And(hn::BitCast(ints, e), magnitude_mask);
    most = hn::Max(most, magnitude);
    const auto chosen = hn::Gt(magnitude, below);
    if (hn::AllFalse(ints, chosen)) continue;
    hn::StoreU(hn::Compress(index, chosen), ints, reinterpret_cast<int32_t*>(indices + found));
    hn::StoreU(hn::Compress(e, hn::RebindMask(floats, chosen)), floats, values + found);
    found += hn::CountTrue(ints, chosen);
  }
  uint32_t rest = static_cast<uint32_t>(hn::GetLane(hn::MaxOfLanes(ints, most)));
  for (; i < last; ++i) {
    const float e = ElementOf<kFeedback>(delta, residual, pushed.decay, i);
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

void Write(const Pushed& pushed, size_t first, size_t last) {
  const Floats floats;
  const size_t lanes = hn::Lanes(floats);
  const float* HWY_RESTRICT delta = pushed.delta;
  float* HWY_RESTRICT residual = pushed.residual;
  const auto decay = hn::Set(floats, pushed.decay);
  size_t i = first;
  for (; i + lanes <= last; i += lanes) {
    hn::StoreU(Elements<true>(delta, residual, decay, i), floats, residual + i);
  }
  for (; i < last; ++i) residual[i] = ElementOf<true>(delta, residual, pushed.decay, i);
}

}  // namespace tideway::compression::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tideway::compression {

HWY_EXPORT(Scan);
HWY_EXPORT(Write);

size_t ScanCandidates(const Pushed& pushed, size_t first, size_t last, uint32_t bound,
                      Candidates* candidates, uint32_t* largest) {
  return HWY_DYNAMIC_DISPATCH(Scan)(pushed, first, last, bound, candidates, largest);
}

void WriteFeedback(const Pushed& pushed, size_t first, size_t last) {
  HWY_DYNAMIC_DISPATCH(Write)(pushed, first, last);
}

}  // namespace tideway::compression
#endif  // HWY_ONCE
