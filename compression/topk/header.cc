#include "compression/topk/header.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "compression/common/checks.h"
#include "compression/common/float_bits.h"
#include "compression/common/value_spec.h"

namespace tideway::compression {
namespace {

// What stands in the header: k of the fragment, or of each whole chunk.
struct Fields {
  uint32_t kind;
  uint32_t block_log2;
  uint32_t chunk_log2;  // 0: no chunks
  uint32_t reserved;
  size_t elements;
  size_t k;
};

Fields Load(const std::byte* in) {
  const auto byte = [in](size_t at) { return std::to_integer<uint32_t>(in[at]); };
  return {byte(0),
          byte(1),
          byte(2),
          byte(3),
          LoadLittleEndian<uint32_t>(in + 4),
          LoadLittleEndian<uint32_t>(in + 8)};
}

// Null, or what is wrong with the form that the fields name.
const char* WhyNoForm(const Fields& fields) {
  if (fields.reserved != 0) return "reserved bits set";
  if (const char* why = WhyNoValueFormat(fields.kind, fields.block_log2)) return why;
  const bool chunks = fields.chunk_log2 != 0;
  if (chunks && (fields.chunk_log2 < kChunkLog2Min || fields.chunk_log2 > kChunkLog2Max)) {
    return "unknown chunk size";
  }
  const size_t k_max = chunks ? size_t{1} << fields.chunk_log2 : fields.elements;
  if (fields.k > k_max || (fields.k == 0) != (fields.elements == 0)) {
    return "an impossible number of values";
  }
  return nullptr;
}

SparseLayout LayoutOf(const Fields& fields) {
  if (fields.chunk_log2 == 0) return LayoutFor(fields.elements, fields.k);
  return ChunkLayoutFor(fields.elements, static_cast<int>(fields.chunk_log2), fields.k);
}

}  // namespace

size_t ElementsOf(const SparseLayout& layout) {
  return std::visit([](const auto& form) { return form.elements; }, layout);
}

size_t CountOf(const SparseLayout& layout) {
  return std::visit([](const auto& form) { return form.k; }, layout);
}

size_t IndexBytes(const SparseLayout& layout) {
  return std::visit([](const auto& form) { return form.bytes(); }, layout);
}

size_t EncodedBytes(const SparseHeader& header) {
  return kSparseHeaderBytes + IndexBytes(header.layout) +
         ValueBytes(header.format, CountOf(header.layout));
}

void WriteHeader(const SparseHeader& header, std::byte* out) {
  const auto* chunks = std::get_if<ChunkLayout>(&header.layout);
  const size_t k = chunks == nullptr ? CountOf(header.layout) : chunks->k_per_chunk;
  out[0] = static_cast<std::byte>(header.format.kind);
  out[1] = static_cast<std::byte>(header.format.block_log2);
  out[2] = static_cast<std::byte>(chunks == nullptr ? 0 : chunks->chunk_log2);
  out[3] = std::byte{0};
  StoreLittleEndian(static_cast<uint32_t>(ElementsOf(header.layout)), out + 4);
  StoreLittleEndian(static_cast<uint32_t>(k), out + 8);
}

absl::StatusOr<SparseHeader> ReadHeader(const CodecInfo& info, absl::Span<const std::byte> in,
                                        size_t elements) {
  if (in.size() < kSparseHeaderBytes) return Malformed(info, "no room for the header");
  const Fields fields = Load(in.data());
  if (fields.elements != elements) {
    return Malformed(info, absl::StrCat("encodes ", fields.elements, " elements where ", elements,
                                        " are expected"));
  }
  if (const char* why = WhyNoForm(fields)) return Malformed(info, why);
  const SparseHeader header{
      LayoutOf(fields), {static_cast<ValueKind>(fields.kind), static_cast<int>(fields.block_log2)}};
  absl::Status length = CheckLength(info, in.size(), EncodedBytes(header), elements);
  if (!length.ok()) return length;
  return header;
}

}  // namespace tideway::compression
