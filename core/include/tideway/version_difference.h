// VersionDifference: what turns one version of parameters into the next, bit for bit.
//
// A codec of deltas cannot do that: old + (new - old) is not new in floating point. So this works on the words of the
// parameters (bf16 or fp16: 2 bytes, fp32: 4), which may hold anything, a NaN too. It is an optional ability of a codec
// (Codec::version_difference), found in the registry like the codec itself.
//
// Immutable and thread-safe: all calls are const and allocate nothing. Words lie in the machine's own byte order, at any
// address; the bytes made from them are the same on every machine.
//
//   const VersionDifference* difference = codec->version_difference();    // null: the codec has none
//   auto bytes = difference->Encode(old_values, new_values, 2, out);
//   difference->Apply(out.first(*bytes), 2, values);                      // values were old_values: now new_values

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_VERSION_DIFFERENCE_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_VERSION_DIFFERENCE_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace tideway {

class VersionDifference {
 public:
  virtual ~VersionDifference() = default;

  // The most bytes that Encode can write for values of so many bytes: a few more than the values themselves, which are
  // sent where that is smaller.
  virtual size_t Bound(size_t values_bytes) const = 0;

  // Returns the bytes written. INVALID_ARGUMENT unless `from` and `to` have one length, of whole words of 2 or 4 bytes, and
  // `out` has room for Bound() bytes; `out` overlaps neither.
  virtual absl::StatusOr<size_t> Encode(absl::Span<const std::byte> from,
                                        absl::Span<const std::byte> to, size_t word_bytes,
                                        absl::Span<std::byte> out) const = 0;

  // Changes `values` in place. `in` comes from a peer: anything may be in it. INVALID_ARGUMENT if it is no difference of so
  // many words; `values` are then as they were, so that no reader meets half a version.
  virtual absl::Status Apply(absl::Span<const std::byte> in, size_t word_bytes,
                             absl::Span<std::byte> values) const = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_VERSION_DIFFERENCE_H_
