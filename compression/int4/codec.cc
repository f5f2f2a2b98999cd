// int4: two values per byte, blockwise absmax scale. See spec.md.

#include <memory>

#include "absl/strings/str_cat.h"
#include "compression/common/block_scale.h"
#include "compression/common/checks.h"
#include "compression/common/float_bits.h"
#include "compression/int4/kernel.h"
#include "tideway/codec.h"

namespace tideway::codec_int4 {
namespace {

// block_log2, elements % 2, two zero bytes. Without the second, the length would not tell an odd
// element count from the next even one.
constexpr size_t kPrefixBytes = 4;

uint32_t Prefix(size_t elements, int block_log2) {
  return static_cast<uint32_t>(block_log2) | static_cast<uint32_t>(elements % 2) << 8;
}

size_t ValueBytes(size_t elements) { return (elements + 1) / 2; }

size_t EncodedBytes(size_t elements, int block_log2) {
  return kPrefixBytes + sizeof(float) * compression::BlockCount(elements, block_log2) +
         ValueBytes(elements);
}

class Int4Codec final : public Codec {
 public:
  Int4Codec(int block_log2, uint8_t wire_id)
      : info_{.name = "int4",
              .spec = absl::StrCat("int4:block=", 1 << block_log2),
              .wire_id = wire_id},
        block_log2_(block_log2) {}

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override { return EncodedBytes(elements, block_log2_); }

  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    const size_t bytes = Bound(delta.size());
    const auto pushed = compression::CheckEncode(delta, residual, options, out, bytes);
    if (!pushed.ok()) return pushed.status();
    compression::StoreLittleEndian(Prefix(delta.size(), block_log2_), out.data());
    const uint32_t largest =
        compression::EncodeInt4(*pushed, block_log2_, out.data() + kPrefixBytes,
                                out.data() + bytes - ValueBytes(delta.size()));
    if (largest >= compression::kInfinityBits) return compression::NotFinite(*pushed);
    return bytes;
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    if (in.size() < kPrefixBytes) return compression::Malformed(info_, "no room for the prefix");
    const auto prefix = compression::LoadLittleEndian<uint32_t>(in.data());
    const auto block_log2 = static_cast<int>(prefix & 0xffu);
    const size_t elements = accumulator.size();
    if (block_log2 < compression::kBlockLog2Min || block_log2 > compression::kBlockLog2Max ||
        prefix != Prefix(elements, block_log2)) {
      return compression::Malformed(
          info_, absl::StrCat("the prefix ", prefix, " names no block size from 2^4 to 2^16 and ",
                              elements, " elements"));
    }
    absl::Status length =
        compression::CheckLength(info_, in.size(), EncodedBytes(elements, block_log2), elements);
    if (!length.ok()) return length;
    const std::byte* const values = in.data() + in.size() - ValueBytes(elements);
    if (!compression::DecodeAddInt4(in.data() + kPrefixBytes, values, block_log2, elements, scale,
                                    accumulator.data())) {
      return compression::Malformed(info_, "a scale or a value is out of range");
    }
    return absl::OkStatus();
  }

 private:
  const CodecInfo info_;
  const int block_log2_;
};

}  // namespace

// Called by compression/builtin_codecs.cc, which declares it for every line of THE LIST.
absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t wire_id) {
  SpecReader reader(spec);
  const absl::StatusOr<int> block_log2 = compression::ReadBlockLog2(reader);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  if (!block_log2.ok()) return block_log2.status();
  return std::make_unique<Int4Codec>(*block_log2, wire_id);
}

}  // namespace tideway::codec_int4
