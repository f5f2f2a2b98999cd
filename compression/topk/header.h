// The 12 bytes that begin every message of topk.

#ifndef TIDEWAY_COMPRESSION_TOPK_HEADER_H_
#define TIDEWAY_COMPRESSION_TOPK_HEADER_H_

#include <cstddef>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "compression/common/sparse_values.h"
#include "compression/topk/chunk_code.h"
#include "compression/topk/index_code.h"
#include "tideway/codec.h"

namespace tideway::compression {

// The two forms of a message: selected from the whole fragment, or from each chunk of it.
using SparseLayout = std::variant<IndexLayout, ChunkLayout>;

struct SparseHeader {
  SparseLayout layout;
  ValueFormat format;
};

inline constexpr size_t kSparseHeaderBytes = 12;

size_t ElementsOf(const SparseLayout& layout);
size_t CountOf(const SparseLayout& layout);
size_t IndexBytes(const SparseLayout& layout);

// The length of the whole message.
size_t EncodedBytes(const SparseHeader& header);

void WriteHeader(const SparseHeader& header, std::byte* out);

// INVALID_ARGUMENT unless `in` starts with the header of a message of `elements` elements and has
// that message's length.
absl::StatusOr<SparseHeader> ReadHeader(const CodecInfo& info, absl::Span<const std::byte> in,
                                        size_t elements);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_TOPK_HEADER_H_
