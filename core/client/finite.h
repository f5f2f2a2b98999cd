// Looks for NaNs and infinities.

#ifndef TIDEWAY_CORE_CLIENT_FINITE_H_
#define TIDEWAY_CORE_CLIENT_FINITE_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "core/wire/payload_scan.h"
#include "tideway/layout.h"

namespace tideway {

inline bool IsFinite(float value) {
  constexpr uint32_t kExponent = 0x7f800000;
  return (std::bit_cast<uint32_t>(value) & kExponent) != kExponent;
}

inline absl::Span<const std::byte> BytesOf(absl::Span<const float> values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)};
}

// The index of the first value that is not finite, or values.size(). Block by block, so that what is looked at twice is small.
inline size_t FindNonFinite(absl::Span<const float> values) {
  constexpr size_t kBlock = size_t{1} << 16;
  for (size_t begin = 0; begin < values.size(); begin += kBlock) {
    const auto block = values.subspan(begin, kBlock);
    if (wire::AllFinite(BytesOf(block))) continue;
    return begin + static_cast<size_t>(std::find_if_not(block.begin(), block.end(), IsFinite) -
                                       block.begin());
  }
  return values.size();
}

// OK, or INVALID_ARGUMENT that names the tensor. `what`: "delta".
inline absl::Status CheckFinite(absl::Span<const float> values, const Layout& layout,
                                absl::string_view what) {
  const size_t at = FindNonFinite(values);
  if (at == values.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the ", what, " has ", values[at], " at element ", at, ", in tensor '", layout.tensor_at(at),
      "'; nothing was sent. Lower the learning rate or clip the gradients"));
}

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_FINITE_H_
