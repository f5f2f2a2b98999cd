// sparse_lossless: a delta as the difference from zeros. See spec.md.

#include <algorithm>
#include <memory>

#include "compression/common/checks.h"
#include "compression/common/float_bits.h"
#include "compression/sparse_lossless/difference.h"
#include "tideway/codec.h"

namespace tideway::codec_sparse_lossless {
namespace {

// Returns the largest MagnitudeBits added.
uint32_t AddPlain(const std::byte* in, float scale, absl::Span<float> accumulator) {
  uint32_t largest = 0;
  for (size_t i = 0; i < accumulator.size(); ++i) {
    const float value =
        compression::FloatOf(compression::LoadLittleEndian<uint32_t>(in + i * sizeof(float)));
    largest = std::max(largest, compression::MagnitudeBits(value));
    accumulator[i] += scale * value;
  }
  return largest;
}

class SparseLosslessCodec final : public Codec {
 public:
  explicit SparseLosslessCodec(uint8_t wire_id)
      : info_{.name = "sparse_lossless",
              .spec = "sparse_lossless",
              .wire_id = wire_id,
              .lossless = true} {}

  const CodecInfo& info() const override { return info_; }
  const VersionDifference* version_difference() const override { return &difference_; }
  size_t Bound(size_t elements) const override {
    return difference_.Bound(elements * sizeof(float));
  }

  // With a residual, e is made in place in it; nothing is left over.
  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    const auto pushed =
        compression::CheckEncode(delta, residual, options, out, Bound(delta.size()));
    if (!pushed.ok()) return pushed.status();
    if (absl::Status finite = compression::CheckFinite(*pushed); !finite.ok()) return finite;
    if (!residual.empty()) compression::AddFeedback(*pushed);
    const float* const e = residual.empty() ? delta.data() : residual.data();
    const size_t bytes = compression::WriteMessage(
        {nullptr, reinterpret_cast<const std::byte*>(e), delta.size(), sizeof(float)}, out.data());
    std::fill(residual.begin(), residual.end(), 0.0f);
    return bytes;
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    const auto message = compression::ReadMessage(in, accumulator.size(), sizeof(float));
    if (!message.ok()) return message.status();
    if (message->plain) return Finite(AddPlain(message->body.data(), scale, accumulator));
    compression::ChangesReader reader(message->body, message->changes, accumulator.size(),
                                      sizeof(float));
    compression::ChangesBlock block;
    uint32_t largest = 0;
    while (reader.More()) {
      if (!reader.Next(block)) return compression::Malformed(info_, "a block is malformed");
      largest = std::max(largest, compression::AddChanges(block, scale, accumulator.data()));
    }
    if (!reader.AtEnd()) return compression::Malformed(info_, "bytes follow the last element");
    return Finite(largest);
  }

 private:
  absl::Status Finite(uint32_t largest) const {
    if (largest < compression::kInfinityBits) return absl::OkStatus();
    return compression::Malformed(info_, "a value is not finite");
  }

  const CodecInfo info_;
  const compression::SparseDifference difference_;
};

}  // namespace

// Called by compression/builtin_codecs.cc, which declares it for every line of THE LIST.
absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t wire_id) {
  SpecReader reader(spec);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  return std::make_unique<SparseLosslessCodec>(wire_id);
}

}  // namespace tideway::codec_sparse_lossless
