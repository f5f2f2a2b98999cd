#include "compression/common/feedback.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compression/common/feedback.cc"
#include "hwy/foreach_target.h"
// Before what it compiles for each target.
#include "hwy/highway.h"

#include "compression/common/scalar.h"
#include "compression/common/simd.inc"

HWY_BEFORE_NAMESPACE();
namespace tideway::compression::HWY_NAMESPACE {
namespace {

uint32_t MagnitudeBitsMaxOf(const Pushed& pushed) {
  return pushed.residual == nullptr ? MagnitudeMax<false>(pushed) : MagnitudeMax<true>(pushed);
}

template <class D>
void AddInVectors(D d, const Pushed& pushed) {
  const auto decay = hn::Set(d, pushed.decay);
  const size_t end = InVectors(pushed.elements);
  for (size_t i = 0; i < end; i += hn::Lanes(d)) {
    hn::StoreU(ElementsAt<true>(pushed, decay, i), d, pushed.residual + i);
  }
}

void AddFeedbackTo(const Pushed& pushed) {
  size_t done = 0;
  if constexpr (kHasVectors) {
    AddInVectors(Floats(), pushed);
    done = InVectors(pushed.elements);
  }
  scalar::AddFeedback(pushed, done);
}

}  // namespace
}  // namespace tideway::compression::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tideway::compression {

HWY_EXPORT(MagnitudeBitsMaxOf);
HWY_EXPORT(AddFeedbackTo);

uint32_t MagnitudeBitsMax(const Pushed& pushed) {
  return HWY_DYNAMIC_DISPATCH(MagnitudeBitsMaxOf)(pushed);
}

void AddFeedback(const Pushed& pushed) { HWY_DYNAMIC_DISPATCH(AddFeedbackTo)(pushed); }

}  // namespace tideway::compression
#endif
