// zstd: the bytes of another codec, compressed. See spec.md.

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/common/checks.h"
#include "compression/common/float_bits.h"
#include "compression/zstd/kernel.h"
#include "tideway/codec.h"
#include "tideway/limits.h"

namespace tideway::codec_zstd {
namespace {

constexpr size_t kHeaderBytes = 8;
constexpr int64_t kLevelDefault = 3;

enum class Form : uint8_t { kPlain = 0, kFrame = 1 };

CodecInfo InfoOf(const CodecInfo& inner, int level, uint8_t wire_id) {
  return {.name = "zstd",
          .spec = absl::StrCat(inner.spec, "+zstd:level=", level),
          .wire_id = wire_id,
          .lossless = inner.lossless,
          .dense = inner.dense};
}

class ZstdCodec final : public Codec {
 public:
  ZstdCodec(Wrapped wrapped, int level, uint8_t wire_id)
      : wrapped_(std::move(wrapped)),
        level_(level),
        info_(InfoOf(wrapped_.inner->info(), level, wire_id)) {}

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override {
    return kHeaderBytes + wrapped_.inner->Bound(elements);
  }

  // Once the inner codec has written, the residual is the new one, so nothing may fail any more: what
  // does not compress goes as it is.
  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    const auto pushed =
        compression::CheckEncode(delta, residual, options, out, Bound(delta.size()));
    if (!pushed.ok()) return pushed.status();
    const auto body = out.subspan(kHeaderBytes);
    const absl::StatusOr<size_t> plain = wrapped_.inner->Encode(delta, residual, options, body);
    if (!plain.ok()) return plain.status();
    const size_t frame = compression::CompressInPlace(body.first(*plain), level_);
    const Form form = frame > 0 ? Form::kFrame : Form::kPlain;
    compression::StoreLittleEndian(
        static_cast<uint32_t>(wrapped_.inner->info().wire_id) | static_cast<uint32_t>(form) << 8,
        out.data());
    compression::StoreLittleEndian(static_cast<uint32_t>(*plain), out.data() + 4);
    return kHeaderBytes + (frame > 0 ? frame : *plain);
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    if (in.size() < kHeaderBytes) return compression::Malformed(info_, "no room for the header");
    const auto head = compression::LoadLittleEndian<uint32_t>(in.data());
    const size_t plain = compression::LoadLittleEndian<uint32_t>(in.data() + 4);
    const auto body = in.subspan(kHeaderBytes);
    const Codec* const inner = FindDecoder(head & 0xff);
    if (inner == nullptr) {
      return compression::Malformed(
          info_, absl::StrCat("no codec that may be inside has the wire id ", head & 0xff));
    }
    if (head >> 8 == static_cast<uint32_t>(Form::kPlain)) {
      if (body.size() == plain) return inner->DecodeAdd(body, scale, accumulator);
      return compression::Malformed(info_,
                                    absl::StrCat(body.size(), " bytes where it says ", plain));
    }
    if (head >> 8 != static_cast<uint32_t>(Form::kFrame)) {
      return compression::Malformed(info_, "unknown form, or reserved bits set");
    }
    return DecodeFrame(*inner, body, plain, scale, accumulator);
  }

 private:
  const Codec* FindDecoder(uint32_t wire_id) const {
    if (wrapped_.inner->info().wire_id == wire_id) return wrapped_.inner.get();
    for (const std::shared_ptr<const Codec>& decoder : wrapped_.decoders) {
      if (decoder->info().wire_id == wire_id) return decoder.get();
    }
    return nullptr;
  }

  // No codec needs more bytes than EncodedBytesMax, so no more memory is taken, whatever is claimed.
  absl::Status DecodeFrame(const Codec& inner, absl::Span<const std::byte> frame, size_t plain,
                           float scale, absl::Span<float> accumulator) const {
    if (plain == 0 || plain > EncodedBytesMax(accumulator.size())) {
      return compression::Malformed(
          info_,
          absl::StrCat("claims to hold ", plain, " bytes; for ", accumulator.size(),
                       " elements 1 to ", EncodedBytesMax(accumulator.size()), " are possible"));
    }
    const auto bytes = std::make_unique_for_overwrite<std::byte[]>(plain);
    if (!compression::Decompress(frame, absl::MakeSpan(bytes.get(), plain))) {
      return compression::Malformed(info_, absl::StrCat("is no frame of ", plain, " bytes"));
    }
    return inner.DecodeAdd(absl::MakeConstSpan(bytes.get(), plain), scale, accumulator);
  }

  const Wrapped wrapped_;
  const int level_;
  const CodecInfo info_;
};

}  // namespace

// Called by compression/builtin_codecs.cc, which declares it for every line of THE LIST.
absl::StatusOr<std::unique_ptr<Codec>> Wrap(const Spec& spec, uint8_t wire_id, Wrapped wrapped) {
  SpecReader reader(spec);
  const int64_t level = reader.Integer("level", kLevelDefault, compression::kZstdLevelMin,
                                       compression::kZstdLevelMax);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  return std::make_unique<ZstdCodec>(std::move(wrapped), static_cast<int>(level), wire_id);
}

}  // namespace tideway::codec_zstd
