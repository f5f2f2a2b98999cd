#include "core/client/merge.h"

#include <cstddef>
#include <cstdint>

#include "core/client/finite.h"

namespace tideway::merge {

bool MakeDelta(absl::Span<const float> pulled, absl::Span<const float> now,
               absl::Span<float> delta) {
  uint32_t bad = 0;
  for (size_t i = 0; i < delta.size(); ++i) {
    delta[i] = pulled[i] - now[i];
    bad |= IsFinite(delta[i]) ? 0 : 1;
  }
  return bad == 0;
}

void Rebase(absl::Span<const float> pulled, absl::Span<const float> at_push,
            absl::Span<float> now) {
  for (size_t i = 0; i < now.size(); ++i) now[i] = pulled[i] + (now[i] - at_push[i]);
}

void Mix(absl::Span<const float> pulled, float alpha, absl::Span<float> now) {
  for (size_t i = 0; i < now.size(); ++i) now[i] = alpha * now[i] + (1.0f - alpha) * pulled[i];
}

}  // namespace tideway::merge
