// int8: blockwise absmax scale. See spec.md.

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "compression/common/block_scale.h"
#include "compression/common/checks.h"
#include "compression/common/float_bits.h"
#include "compression/int8/kernel.h"
#include "compression/int8/stochastic.h"
#include "tideway/codec.h"

namespace tideway::codec_int8 {
namespace {

constexpr size_t kPrefixBytes = 4;  // block_log2, three zero bytes

size_t EncodedBytes(size_t elements, int block_log2) {
  return kPrefixBytes + sizeof(float) * compression::BlockCount(elements, block_log2) + elements;
}

struct Rounding {
  bool stochastic = false;
  uint64_t seed = 0;
};

std::string SpecOf(int block_log2, const Rounding& rounding) {
  return absl::StrCat(
      "int8:block=", 1 << block_log2,
      rounding.stochastic ? absl::StrCat(",rounding=stochastic,seed=", rounding.seed) : "");
}

class Int8Codec final : public Codec {
 public:
  Int8Codec(int block_log2, const Rounding& rounding, uint8_t wire_id)
      : info_{.name = "int8",
              .spec = SpecOf(block_log2, rounding),
              .wire_id = wire_id,
              .exact_residual = !rounding.stochastic},
        block_log2_(block_log2),
        rounding_(rounding) {}

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override { return EncodedBytes(elements, block_log2_); }

  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    const size_t bytes = Bound(delta.size());
    const auto pushed = compression::CheckEncode(delta, residual, options, out, bytes);
    if (!pushed.ok()) return pushed.status();
    compression::StoreLittleEndian(static_cast<uint32_t>(block_log2_), out.data());
    std::byte* const scales = out.data() + kPrefixBytes;
    std::byte* const values = out.data() + bytes - delta.size();
    const uint32_t largest = rounding_.stochastic
                                 ? compression::EncodeInt8Stochastic(*pushed, block_log2_,
                                                                     rounding_.seed, scales, values)
                                 : compression::EncodeInt8(*pushed, block_log2_, scales, values);
    if (largest >= compression::kInfinityBits) return compression::NotFinite(*pushed);
    return bytes;
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    if (in.size() < kPrefixBytes) return compression::Malformed(info_, "no room for the prefix");
    const auto prefix = compression::LoadLittleEndian<uint32_t>(in.data());
    if (prefix < compression::kBlockLog2Min || prefix > compression::kBlockLog2Max) {
      return compression::Malformed(
          info_, absl::StrCat("the prefix ", prefix, " names no block size from 2^4 to 2^16"));
    }
    const int block_log2 = static_cast<int>(prefix);
    const size_t elements = accumulator.size();
    absl::Status length =
        compression::CheckLength(info_, in.size(), EncodedBytes(elements, block_log2), elements);
    if (!length.ok()) return length;
    const std::byte* const values = in.data() + in.size() - elements;
    if (!compression::DecodeAddInt8(in.data() + kPrefixBytes, values, block_log2, elements, scale,
                                    accumulator.data())) {
      return compression::Malformed(info_, "a scale or a value is out of range");
    }
    return absl::OkStatus();
  }

 private:
  const CodecInfo info_;
  const int block_log2_;
  const Rounding rounding_;
};

Rounding ReadRounding(SpecReader& reader) {
  if (reader.Choice("rounding", "nearest", {"nearest", "stochastic"}) == "nearest") return {};
  const int64_t seed = reader.Integer("seed", 0, 0, std::numeric_limits<int64_t>::max());
  return {.stochastic = true, .seed = static_cast<uint64_t>(seed)};
}

}  // namespace

// Called by compression/builtin_codecs.cc, which declares it for every line of THE LIST.
absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t wire_id) {
  SpecReader reader(spec);
  const absl::StatusOr<int> block_log2 = compression::ReadBlockLog2(reader);
  const Rounding rounding = ReadRounding(reader);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  if (!block_log2.ok()) return block_log2.status();
  return std::make_unique<Int8Codec>(*block_log2, rounding, wire_id);
}

}  // namespace tideway::codec_int8
