#include "compression/common/checks.h"

#include <bit>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "compression/common/block_scale.h"
#include "compression/common/float_bits.h"
#include "tideway/limits.h"

namespace tideway::compression {

absl::StatusOr<Pushed> CheckEncode(absl::Span<const float> delta, absl::Span<float> residual,
                                   const EncodeOptions& options, absl::Span<std::byte> out,
                                   size_t bound) {
  if (delta.size() > kFragmentBytesMax / sizeof(float)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a delta of ", delta.size(), " elements is longer than a fragment may be (",
                     kFragmentBytesMax / sizeof(float), "); encode it fragment by fragment"));
  }
  if (!residual.empty() && residual.size() != delta.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the residual has ", residual.size(),
                                                   " elements and the delta ", delta.size(),
                                                   "; give one of the same length, or none"));
  }
  if (!(options.residual_decay >= 0.0f && options.residual_decay <= 1.0f)) {
    return absl::InvalidArgumentError(
        absl::StrCat("residual_decay is ", options.residual_decay, "; give a number from 0 to 1"));
  }
  if (out.size() < bound) {
    return absl::InvalidArgumentError(
        absl::StrCat("the output has room for ", out.size(), " bytes; Bound() asks for ", bound));
  }
  return Pushed{delta.data(), residual.empty() ? nullptr : residual.data(), options.residual_decay,
                delta.size()};
}

absl::Status NotFinite(const Pushed& pushed) {
  for (size_t i = 0; i < pushed.elements; ++i) {
    const float element = pushed.residual == nullptr
                              ? pushed.delta[i]
                              : ElementOf<true>(pushed.delta, pushed.residual, pushed.decay, i);
    if (MagnitudeBits(element) < kInfinityBits) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "element ", i, " of the delta", pushed.residual == nullptr ? "" : " plus residual", " is ",
        element, "; only finite values are sent"));
  }
  return absl::InternalError("NotFinite was called on finite values");
}

absl::Status CheckFinite(const Pushed& pushed) {
  return MagnitudeBitsMax(pushed) < kInfinityBits ? absl::OkStatus() : NotFinite(pushed);
}

absl::Status CheckLength(const CodecInfo& info, size_t in_bytes, size_t expected, size_t elements) {
  if (in_bytes == expected) return absl::OkStatus();
  return Malformed(info, absl::StrCat(in_bytes, " bytes are no encoding of ", elements,
                                      " elements, which takes ", expected));
}

absl::Status Malformed(const CodecInfo& info, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(info.name, ": ", what));
}

absl::StatusOr<int> ReadBlockLog2(SpecReader& reader) {
  const auto block = static_cast<uint64_t>(reader.Integer(
      "block", kBlockDefault, int64_t{1} << kBlockLog2Min, int64_t{1} << kBlockLog2Max));
  if (!std::has_single_bit(block)) {
    return absl::InvalidArgumentError(
        absl::StrCat("block=", block, " is no power of two; try block=", std::bit_ceil(block)));
  }
  return std::countr_zero(block);
}

}  // namespace tideway::compression
