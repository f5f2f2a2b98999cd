// topk: the elements of largest magnitude and nothing else. See spec.md.

#include <bit>
#include <memory>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "compression/common/checks.h"
#include "compression/common/density.h"
#include "compression/common/float_bits.h"
#include "compression/common/value_spec.h"
#include "compression/topk/header.h"
#include "compression/topk/kernel.h"
#include "tideway/codec.h"

namespace tideway::codec_topk {
namespace {

using compression::ChunkLayout;
using compression::CountFor;
using compression::IndexLayout;
using compression::SparseHeader;
using compression::ValueFormat;

struct Options {
  double density;
  int chunk_log2;  // 0: no chunks
  ValueFormat format;
};

SparseHeader HeaderFor(const Options& options, size_t elements) {
  if (options.chunk_log2 == 0) {
    return {compression::LayoutFor(elements, CountFor(options.density, elements)), options.format};
  }
  const size_t chunk = elements == 0 ? 0 : size_t{1} << options.chunk_log2;
  return {
      compression::ChunkLayoutFor(elements, options.chunk_log2, CountFor(options.density, chunk)),
      options.format};
}

std::string CanonicalSpec(const Options& options) {
  const std::string chunk =
      options.chunk_log2 == 0 ? "" : absl::StrCat("chunk=", 1 << options.chunk_log2, ",");
  return absl::StrCat("topk:", compression::BlockText(options.format), chunk,
                      "density=", absl::StrFormat("%.9g", options.density),
                      ",values=", compression::ValueKindName(options.format.kind));
}

// The elements that are sent, in memory that lives as long as one call. Not cleared: a selection
// writes before it reads.
struct Selection {
  explicit Selection(size_t room)
      : indices(std::make_unique_for_overwrite<uint32_t[]>(room)),
        values(std::make_unique_for_overwrite<float[]>(room)),
        candidates{indices.get(), values.get(), room, 0} {}

  const std::unique_ptr<uint32_t[]> indices;
  const std::unique_ptr<float[]> values;
  compression::Candidates candidates;
};

void EncodeIndicesOf(const IndexLayout& layout, const uint32_t* indices, std::byte* out) {
  compression::EncodeIndices(layout, indices, out);
}

void EncodeIndicesOf(const ChunkLayout& layout, const uint32_t* indices, std::byte* out) {
  compression::EncodeChunkIndices(layout, indices, out);
}

class TopKCodec final : public Codec {
 public:
  TopKCodec(const Options& options, uint8_t wire_id)
      : info_{.name = "topk", .spec = CanonicalSpec(options), .wire_id = wire_id, .dense = false},
        options_(options) {}

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override {
    return compression::EncodedBytes(HeaderFor(options_, elements));
  }

  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    const SparseHeader header = HeaderFor(options_, delta.size());
    const size_t bytes = compression::EncodedBytes(header);
    const auto pushed = compression::CheckEncode(delta, residual, options, out, bytes);
    if (!pushed.ok()) return pushed.status();
    if (compression::CountOf(header.layout) > 0) {
      absl::Status status = std::visit(
          [&](const auto& layout) {
            return WriteSelected(*pushed, layout, out.data() + compression::kSparseHeaderBytes);
          },
          header.layout);
      if (!status.ok()) return status;
    }
    compression::WriteHeader(header, out.data());
    return bytes;
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    const auto header = compression::ReadHeader(info_, in, accumulator.size());
    if (!header.ok()) return header.status();
    if (compression::CountOf(header->layout) == 0) return absl::OkStatus();
    const bool added = std::visit(
        [&](const auto& layout) {
          return compression::ScatterAdd(layout, header->format,
                                         in.data() + compression::kSparseHeaderBytes, scale,
                                         accumulator.data());
        },
        header->layout);
    if (added) return absl::OkStatus();
    return compression::Malformed(info_, "an index, a scale or a value is out of range");
  }

 private:
  // The residual is written last, once nothing can be refused any more.
  template <typename Layout>
  absl::Status WriteSelected(const compression::Pushed& pushed, const Layout& layout,
                             std::byte* out) const {
    Selection selection(compression::RoomFor(layout));
    compression::Candidates& selected = selection.candidates;
    if (compression::SelectAll(pushed, layout, &selected) >= compression::kInfinityBits) {
      return compression::NotFinite(pushed);
    }
    EncodeIndicesOf(layout, selected.indices, out);
    compression::EncodeValues(options_.format, selected.values, layout.k, out + layout.bytes());
    if (pushed.residual != nullptr) {
      compression::WriteResidual(pushed, selected.indices, selected.values, layout.k);
    }
    return absl::OkStatus();
  }

  const CodecInfo info_;
  const Options options_;
};

// The base-2 logarithm of the parameter chunk=; 0 where it is not given.
absl::StatusOr<int> ReadChunkLog2(SpecReader& reader) {
  const auto chunk = static_cast<uint64_t>(reader.Integer(
      "chunk", int64_t{1} << compression::kChunkLog2Min, int64_t{1} << compression::kChunkLog2Min,
      int64_t{1} << compression::kChunkLog2Max));
  if (!reader.Has("chunk")) return 0;
  if (std::has_single_bit(chunk)) return std::countr_zero(chunk);
  return absl::InvalidArgumentError(
      absl::StrCat("chunk=", chunk, " is no power of two; try chunk=", std::bit_ceil(chunk)));
}

}  // namespace

// Called by compression/builtin_codecs.cc, which declares it for every line of THE LIST.
absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t wire_id) {
  SpecReader reader(spec);
  const double density = compression::ReadDensity(reader);
  const absl::StatusOr<ValueFormat> format = compression::ReadValueFormat(reader, "topk");
  const absl::StatusOr<int> chunk_log2 = ReadChunkLog2(reader);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  if (!format.ok()) return format.status();
  if (!chunk_log2.ok()) return chunk_log2.status();
  return std::make_unique<TopKCodec>(Options{density, *chunk_log2, *format}, wire_id);
}

}  // namespace tideway::codec_topk
