// The checks that every codec's adapter makes before its kernel runs, and the sentences they answer
// with.

#ifndef TIDEWAY_COMPRESSION_COMMON_CHECKS_H_
#define TIDEWAY_COMPRESSION_COMMON_CHECKS_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "compression/common/feedback.h"
#include "tideway/codec.h"

namespace tideway::compression {

// The arguments of Encode, checked against codec.h: lengths, decay, room for `bound` bytes, no more
// elements than a fragment may have. Reads no element.
absl::StatusOr<Pushed> CheckEncode(absl::Span<const float> delta, absl::Span<float> residual,
                                   const EncodeOptions& options, absl::Span<std::byte> out,
                                   size_t bound);

// INVALID_ARGUMENT naming the first element of e that is a NaN or an infinity. Slow: call it once
// one is there.
absl::Status NotFinite(const Pushed& pushed);

// OK if every element of e is finite.
absl::Status CheckFinite(const Pushed& pushed);

// INVALID_ARGUMENT unless `in` has `expected` bytes.
absl::Status CheckLength(const CodecInfo& info, size_t in_bytes, size_t expected, size_t elements);

// INVALID_ARGUMENT: "<codec>: <what>".
absl::Status Malformed(const CodecInfo& info, absl::string_view what);

// The base-2 logarithm of the parameter block=, a power of two from 16 to 65,536. An error stays in
// the reader or is returned.
absl::StatusOr<int> ReadBlockLog2(SpecReader& reader);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_COMMON_CHECKS_H_
