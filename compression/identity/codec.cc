// identity: raw fp32. See spec.md.

#include <memory>

#include "compression/common/checks.h"
#include "compression/common/float_bits.h"
#include "compression/identity/kernel.h"
#include "tideway/codec.h"

namespace tideway::codec_identity {
namespace {

class IdentityCodec final : public Codec {
 public:
  explicit IdentityCodec(uint8_t wire_id)
      : info_{.name = "identity", .spec = "identity", .wire_id = wire_id, .lossless = true} {}

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override { return elements * sizeof(float); }

  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    const auto pushed =
        compression::CheckEncode(delta, residual, options, out, Bound(delta.size()));
    if (!pushed.ok()) return pushed.status();
    if (absl::Status finite = compression::CheckFinite(*pushed); !finite.ok()) return finite;
    compression::EncodeIdentity(*pushed, out.data());
    return Bound(delta.size());
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    const size_t elements = accumulator.size();
    absl::Status length = compression::CheckLength(info_, in.size(), Bound(elements), elements);
    if (!length.ok()) return length;
    const uint32_t largest =
        compression::DecodeAddIdentity(in.data(), elements, scale, accumulator.data());
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
  return std::make_unique<IdentityCodec>(wire_id);
}

}  // namespace tideway::codec_identity
