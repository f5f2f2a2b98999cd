// What turns one version of a fragment's published copy into the next, by any codec. Both ends call the same functions, so that
// their copies stay equal bit for bit.
//
// A codec that knows the difference of two versions (Codec::version_difference) makes of `from` exactly `to`, whatever the values
// are. Any other one encodes `to - from`, and the next copy is `from` plus what decodes from that; what was lost is in the next
// difference, since `to` is the master copy each time: the chain is its own error feedback.
//
// Pure functions on values: no threads, no ownership.

#ifndef TIDEWAY_CORE_WIRE_DIFFERENCE_H_
#define TIDEWAY_CORE_WIRE_DIFFERENCE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tideway/codec.h"

namespace tideway::wire {

// INVALID_ARGUMENT, of a codec without version_difference: a value of the difference is not finite. REQUIRES: from and to have one length.
absl::StatusOr<std::vector<std::byte>> EncodeDifference(const Codec& codec,
                                                        absl::Span<const float> from,
                                                        absl::Span<const float> to);

// Makes of `values`, which were `from`, the next copy. INVALID_ARGUMENT: `in`, which comes from a peer, is no difference of so
// many values; what is in `values` is then unspecified.
absl::Status ApplyDifference(const Codec& codec, absl::Span<const std::byte> in,
                             absl::Span<float> values);

// HashPayload of the values, as both ends compare them by.
uint64_t HashValues(absl::Span<const float> values);

}  // namespace tideway::wire

#endif  // TIDEWAY_CORE_WIRE_DIFFERENCE_H_
