#include "compression/common/block_codec.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "compression/common/block_scale.h"
#include "compression/common/checks.h"
#include "compression/common/float_bits.h"

namespace tideway::compression {
namespace {

constexpr size_t kPrefixBytes = 4;

}  // namespace

uint32_t BlockCodec::Prefix(size_t elements, int block_log2) const {
  return static_cast<uint32_t>(block_log2) | static_cast<uint32_t>(elements % elements_per_byte_)
                                                 << 8;
}

size_t BlockCodec::ValueBytes(size_t elements) const {
  return (elements + elements_per_byte_ - 1) / elements_per_byte_;
}

size_t BlockCodec::EncodedBytes(size_t elements, int block_log2) const {
  return kPrefixBytes + sizeof(float) * BlockCount(elements, block_log2) + ValueBytes(elements);
}

size_t BlockCodec::Bound(size_t elements) const { return EncodedBytes(elements, block_log2_); }

absl::StatusOr<size_t> BlockCodec::Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                          const EncodeOptions& options,
                                          absl::Span<std::byte> out) const {
  const size_t bytes = Bound(delta.size());
  const auto pushed = CheckEncode(delta, residual, options, out, bytes);
  if (!pushed.ok()) return pushed.status();
  StoreLittleEndian(Prefix(delta.size(), block_log2_), out.data());
  const uint32_t largest = EncodeBlocks(*pushed, block_log2_, out.data() + kPrefixBytes,
                                        out.data() + bytes - ValueBytes(delta.size()));
  if (largest >= kInfinityBits) return NotFinite(*pushed);
  return bytes;
}

absl::Status BlockCodec::DecodeAdd(absl::Span<const std::byte> in, float scale,
                                   absl::Span<float> accumulator) const {
  if (in.size() < kPrefixBytes) return Malformed(info_, "no room for the prefix");
  const auto prefix = LoadLittleEndian<uint32_t>(in.data());
  const auto block_log2 = static_cast<int>(prefix & 0xffu);
  const size_t elements = accumulator.size();
  if (block_log2 < kBlockLog2Min || block_log2 > kBlockLog2Max ||
      prefix != Prefix(elements, block_log2)) {
    const std::string count =
        elements_per_byte_ == 1 ? "" : absl::StrCat(" and ", elements, " elements");
    return Malformed(
        info_, absl::StrCat("the prefix ", prefix, " names no block size from 2^4 to 2^16", count));
  }
  absl::Status length = CheckLength(info_, in.size(), EncodedBytes(elements, block_log2), elements);
  if (!length.ok()) return length;
  const std::byte* const values = in.data() + in.size() - ValueBytes(elements);
  if (!DecodeAddBlocks(in.data() + kPrefixBytes, values, block_log2, elements, scale,
                       accumulator.data())) {
    return Malformed(info_, refusal());
  }
  return absl::OkStatus();
}

}  // namespace tideway::compression
