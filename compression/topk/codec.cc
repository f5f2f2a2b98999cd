// topk: the elements of largest magnitude and nothing else. See spec.md.

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "compression/common/block_scale.h"
#include "compression/common/checks.h"
#include "compression/common/float_bits.h"
#include "compression/topk/index_code.h"
#include "compression/topk/kernel.h"
#include "compression/topk/select.h"
#include "tideway/codec.h"

namespace tideway::codec_topk {
namespace {

using compression::IndexLayout;
using compression::ValueFormat;
using compression::ValueKind;

constexpr size_t kHeaderBytes = 12;  // value kind, block_log2, two zero bytes, elements, k
constexpr double kDensityMin = 1e-7;
const char* const kKindNames[compression::kValueKinds] = {"fp32", "bf16", "int8"};

size_t EncodedBytes(const IndexLayout& layout, const ValueFormat& format) {
  return kHeaderBytes + layout.bytes() + compression::ValueBytes(format, layout.k);
}

size_t CountFor(double density, size_t elements) {
  if (elements == 0) return 0;
  const auto rounded = static_cast<size_t>(std::llround(density * static_cast<double>(elements)));
  return std::clamp<size_t>(rounded, 1, elements);
}

std::string CanonicalSpec(double density, const ValueFormat& format) {
  const std::string block =
      format.kind == ValueKind::kInt8 ? absl::StrCat("block=", 1 << format.block_log2, ",") : "";
  return absl::StrCat("topk:", block, "density=", absl::StrFormat("%.9g", density),
                      ",values=", kKindNames[static_cast<size_t>(format.kind)]);
}

class TopKCodec final : public Codec {
 public:
  TopKCodec(double density, const ValueFormat& format, uint8_t wire_id)
      : info_{.name = "topk",
              .spec = CanonicalSpec(density, format),
              .wire_id = wire_id,
              .dense = false},
        density_(density),
        format_(format) {}

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override { return EncodedBytes(LayoutOf(elements), format_); }

  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    const auto pushed =
        compression::CheckEncode(delta, residual, options, out, Bound(delta.size()));
    if (!pushed.ok()) return pushed.status();
    if (absl::Status finite = compression::CheckFinite(*pushed); !finite.ok()) return finite;
    const IndexLayout layout = LayoutOf(delta.size());
    WriteHeader(layout, out.data());
    if (layout.k > 0) WriteSelected(*pushed, layout, out.data() + kHeaderBytes);
    return EncodedBytes(layout, format_);
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    const auto header = ReadHeader(in, accumulator.size());
    if (!header.ok()) return header.status();
    const auto& [layout, format] = *header;
    if (!compression::ScatterAdd(layout, format, in.data() + kHeaderBytes, scale,
                                 accumulator.data())) {
      return compression::Malformed(info_, "an index, a scale or a value is out of range");
    }
    return absl::OkStatus();
  }

 private:
  IndexLayout LayoutOf(size_t elements) const {
    return compression::LayoutFor(elements, CountFor(density_, elements));
  }

  void WriteHeader(const IndexLayout& layout, std::byte* out) const {
    compression::StoreLittleEndian(
        static_cast<uint32_t>(format_.kind) | static_cast<uint32_t>(format_.block_log2) << 8, out);
    compression::StoreLittleEndian(static_cast<uint32_t>(layout.elements), out + 4);
    compression::StoreLittleEndian(static_cast<uint32_t>(layout.k), out + 8);
  }

  // With a residual, e is made in place in it, and what was selected is then taken out.
  void WriteSelected(const compression::Pushed& pushed, const IndexLayout& layout,
                     std::byte* out) const {
    const float* values = pushed.delta;
    if (pushed.residual != nullptr) {
      compression::AddFeedback(pushed);
      values = pushed.residual;
    }
    std::vector<uint32_t> indices(layout.k);
    compression::GatherIndices(values, layout.elements,
                               compression::FindCut(values, layout.elements, layout.k),
                               indices.data());
    compression::EncodeIndices(layout, indices.data(), out);
    compression::EncodeValues(format_, values, indices.data(), layout.k, out + layout.bytes(),
                              pushed.residual);
  }

  absl::StatusOr<ValueFormat> ReadFormat(uint32_t word) const {
    const uint32_t kind = word & 0xff;
    const uint32_t block_log2 = word >> 8;
    if (kind >= compression::kValueKinds) {
      return compression::Malformed(info_, absl::StrCat("unknown value kind ", kind));
    }
    const bool int8 = static_cast<ValueKind>(kind) == ValueKind::kInt8;
    const bool known =
        int8 ? block_log2 >= compression::kBlockLog2Min && block_log2 <= compression::kBlockLog2Max
             : block_log2 == 0;
    if (!known) return compression::Malformed(info_, "unknown block size or reserved bits set");
    return ValueFormat{static_cast<ValueKind>(kind), static_cast<int>(block_log2)};
  }

  absl::StatusOr<std::pair<IndexLayout, ValueFormat>> ReadHeader(absl::Span<const std::byte> in,
                                                                 size_t elements) const {
    if (in.size() < kHeaderBytes) return compression::Malformed(info_, "no room for the header");
    const auto format = ReadFormat(compression::LoadLittleEndian<uint32_t>(in.data()));
    if (!format.ok()) return format.status();
    const size_t coded = compression::LoadLittleEndian<uint32_t>(in.data() + 4);
    const size_t k = compression::LoadLittleEndian<uint32_t>(in.data() + 8);
    if (coded != elements) {
      return compression::Malformed(
          info_, absl::StrCat("encodes ", coded, " elements where ", elements, " are expected"));
    }
    if (k > elements || (k == 0) != (elements == 0)) {
      return compression::Malformed(
          info_, absl::StrCat("claims ", k, " values for ", elements, " elements"));
    }
    const IndexLayout layout = compression::LayoutFor(elements, k);
    absl::Status length =
        compression::CheckLength(info_, in.size(), EncodedBytes(layout, *format), elements);
    if (!length.ok()) return length;
    return std::make_pair(layout, *format);
  }

  const CodecInfo info_;
  const double density_;
  const ValueFormat format_;
};

ValueFormat FormatFrom(const std::string& values, int block_log2) {
  if (values == "fp32") return {ValueKind::kFp32, 0};
  if (values == "bf16") return {ValueKind::kBf16, 0};
  return {ValueKind::kInt8, block_log2};
}

}  // namespace

// Called by compression/builtin_codecs.cc, which declares it for every line of THE LIST.
absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t wire_id) {
  SpecReader reader(spec);
  const double density = reader.Number("density", 0.01, kDensityMin, 1.0);
  const std::string values = reader.Choice("values", "int8", {"fp32", "bf16", "int8"});
  const absl::StatusOr<int> block_log2 = compression::ReadBlockLog2(reader);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  if (!block_log2.ok()) return block_log2.status();
  const ValueFormat format = FormatFrom(values, *block_log2);
  if (format.kind != ValueKind::kInt8 && reader.Has("block")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "topk: block= sizes the scales of values=int8; with values=", values, " leave it out"));
  }
  return std::make_unique<TopKCodec>(density, format, wire_id);
}

}  // namespace tideway::codec_topk
