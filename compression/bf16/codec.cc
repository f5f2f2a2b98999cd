// bf16: the upper half of each fp32, rounded to nearest even. See spec.md.

#include <memory>

#include "compression/bf16/kernel.h"
#include "compression/common/checks.h"
#include "compression/common/float_bits.h"
#include "tideway/codec.h"

namespace tideway::codec_bf16 {
namespace {

class Bf16Codec final : public Codec {
 public:
  explicit Bf16Codec(uint8_t wire_id) : info_{.name = "bf16", .spec = "bf16", .wire_id = wire_id} {}

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override { return elements * sizeof(uint16_t); }

  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    const auto pushed =
        compression::CheckEncode(delta, residual, options, out, Bound(delta.size()));
    if (!pushed.ok()) return pushed.status();
    if (pushed->residual != nullptr) {  // which a refusal must leave as it was
      if (absl::Status finite = compression::CheckFinite(*pushed); !finite.ok()) return finite;
    }
    const uint32_t largest = compression::EncodeBf16(*pushed, out.data());
    if (largest >= compression::kInfinityBits) return compression::NotFinite(*pushed);
    return Bound(delta.size());
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    const size_t elements = accumulator.size();
    absl::Status length = compression::CheckLength(info_, in.size(), Bound(elements), elements);
    if (!length.ok()) return length;
    const uint32_t largest =
        compression::DecodeAddBf16(in.data(), elements, scale, accumulator.data());
    if (largest >= compression::kInfinityBits) {
      return compression::Malformed(info_, "a value is not finite");
    }
    return absl::OkStatus();
  }

 private:
  const CodecInfo info_;
};

}  // namespace

// Called by compression/builtin_codecs.cc, which declares it for every line of THE LIST.
absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t wire_id) {
  SpecReader reader(spec);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  return std::make_unique<Bf16Codec>(wire_id);
}

}  // namespace tideway::codec_bf16
