// fp16: IEEE halves, shifted by a power of two where they would overflow. See spec.md.

#include <memory>

#include "absl/strings/str_cat.h"
#include "compression/common/checks.h"
#include "compression/common/float_bits.h"
#include "compression/fp16/kernel.h"
#include "compression/fp16/scalar.h"
#include "tideway/codec.h"

namespace tideway::codec_fp16 {
namespace {

constexpr size_t kPrefixBytes = 4;  // the shift

class Fp16Codec final : public Codec {
 public:
  explicit Fp16Codec(uint8_t wire_id) : info_{.name = "fp16", .spec = "fp16", .wire_id = wire_id} {}

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override {
    return kPrefixBytes + elements * sizeof(uint16_t);
  }

  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    const size_t bytes = Bound(delta.size());
    const auto pushed = compression::CheckEncode(delta, residual, options, out, bytes);
    if (!pushed.ok()) return pushed.status();
    std::byte* const halves = out.data() + kPrefixBytes;
    const absl::StatusOr<int> shift = pushed->residual == nullptr
                                          ? EncodeWithoutFeedback(*pushed, halves)
                                          : EncodeWithFeedback(*pushed, halves);
    if (!shift.ok()) return shift.status();
    compression::StoreLittleEndian(static_cast<uint32_t>(*shift), out.data());
    return bytes;
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    const size_t elements = accumulator.size();
    absl::Status length = compression::CheckLength(info_, in.size(), Bound(elements), elements);
    if (!length.ok()) return length;
    const auto shift = compression::LoadLittleEndian<uint32_t>(in.data());
    if (shift > compression::kShiftMax) {
      return compression::Malformed(
          info_, absl::StrCat("the shift ", shift, " is over ", compression::kShiftMax));
    }
    const uint32_t largest = compression::DecodeAddFp16(
        in.data() + kPrefixBytes, static_cast<int>(shift), elements, scale, accumulator.data());
    if (largest >= compression::kHalfInfinity) {
      return compression::Malformed(info_, "a value is not finite");
    }
    return absl::OkStatus();
  }

 private:
  // Values over 65504 are rare: so it reads the delta once, and once more where one is there.
  static absl::StatusOr<int> EncodeWithoutFeedback(const compression::Pushed& pushed,
                                                   std::byte* halves) {
    const uint32_t largest = compression::EncodeFp16(pushed, 0, halves);
    if (largest >= compression::kInfinityBits) return compression::NotFinite(pushed);
    const int shift = compression::ShiftFor(largest);
    if (shift > 0) compression::EncodeFp16(pushed, shift, halves);
    return shift;
  }

  static absl::StatusOr<int> EncodeWithFeedback(const compression::Pushed& pushed,
                                                std::byte* halves) {
    const uint32_t largest = compression::MagnitudeBitsMax(pushed);
    if (largest >= compression::kInfinityBits) return compression::NotFinite(pushed);
    const int shift = compression::ShiftFor(largest);
    compression::EncodeFp16(pushed, shift, halves);
    return shift;
  }

  const CodecInfo info_;
};

}  // namespace

// Called by compression/builtin_codecs.cc, which declares it for every line of THE LIST.
absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t wire_id) {
  SpecReader reader(spec);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  return std::make_unique<Fp16Codec>(wire_id);
}

}  // namespace tideway::codec_fp16
