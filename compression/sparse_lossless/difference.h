// The message around the blocks of changes: which form, how many words. Used by both faces of
// sparse_lossless, the codec of deltas and the difference of versions.

#ifndef TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_DIFFERENCE_H_
#define TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_DIFFERENCE_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "compression/sparse_lossless/kernel.h"
#include "tideway/version_difference.h"

namespace tideway::compression {

inline constexpr size_t kPlainHeaderBytes = 8;
inline constexpr size_t kChangesHeaderBytes = 12;

// What a message says before its words or blocks, checked.
struct Message {
  bool plain;
  size_t changes;                    // of the form that is not plain
  absl::Span<const std::byte> body;  // plain: exactly the words
};

// Whichever form is smaller. Returns the bytes written. REQUIRES: out has room for the plain form.
size_t WriteMessage(const Versions& versions, std::byte* out);

// INVALID_ARGUMENT if `in` is no message of `elements` words of `word_bytes`. The blocks are still to
// be checked, by a ChangesReader.
absl::StatusOr<Message> ReadMessage(absl::Span<const std::byte> in, size_t elements,
                                    size_t word_bytes);

class SparseDifference final : public VersionDifference {
 public:
  size_t Bound(size_t values_bytes) const override { return kPlainHeaderBytes + values_bytes; }
  absl::StatusOr<size_t> Encode(absl::Span<const std::byte> from, absl::Span<const std::byte> to,
                                size_t word_bytes, absl::Span<std::byte> out) const override;
  absl::Status Apply(absl::Span<const std::byte> in, size_t word_bytes,
                     absl::Span<std::byte> values) const override;
};

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_DIFFERENCE_H_
