// The arithmetic of an exchange on flat vectors. Pure functions; all spans of one call have the same length.

#ifndef TIDEWAY_CORE_CLIENT_MERGE_H_
#define TIDEWAY_CORE_CLIENT_MERGE_H_

#include "absl/types/span.h"

namespace tideway::merge {

// delta = pulled - now: the pseudo-gradient. False if any element of it is not finite.
bool MakeDelta(absl::Span<const float> pulled, absl::Span<const float> now,
               absl::Span<float> delta);

// now = pulled + (now - at_push): what was learned during the exchange stays on top of what came.
void Rebase(absl::Span<const float> pulled, absl::Span<const float> at_push, absl::Span<float> now);

// now = alpha * now + (1 - alpha) * pulled (Streaming DiLoCo).
void Mix(absl::Span<const float> pulled, float alpha, absl::Span<float> now);

}  // namespace tideway::merge

#endif  // TIDEWAY_CORE_CLIENT_MERGE_H_
