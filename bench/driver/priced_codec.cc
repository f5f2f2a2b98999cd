#include "bench/driver/priced_codec.h"

#include <memory>
#include <utility>

#include "tideway/builtin_codecs.h"

namespace bench {
namespace {

using tideway::Codec;
using tideway::CodecInfo;
using tideway::EncodeOptions;

class PricedCodec final : public Codec {
 public:
  PricedCodec(std::unique_ptr<Codec> codec, const CodecPrice& price, BusyHost* host)
      : codec_(std::move(codec)), info_(codec_->info()), price_(price), host_(host) {
    info_.name = kPricedCodec;
    info_.spec = kPricedCodec;
  }

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override { return codec_->Bound(elements); }

  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    Spend(price_.encode_s_per_byte, delta.size());
    return codec_->Encode(delta, residual, options, out);
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    Spend(price_.decode_s_per_byte, accumulator.size());
    return codec_->DecodeAdd(in, scale, accumulator);
  }

 private:
  void Spend(double s_per_byte, size_t elements) const {
    host_->Spend(absl::Seconds(s_per_byte * static_cast<double>(elements * sizeof(float))));
  }

  const std::unique_ptr<Codec> codec_;
  CodecInfo info_;
  const CodecPrice price_;
  BusyHost* const host_;
};

}  // namespace

absl::StatusOr<tideway::CodecRegistry> PricedCodecs(const std::string& codec,
                                                    const CodecPrice& price, BusyHost* host) {
  const auto made = tideway::BuiltinCodecs().Create(codec);
  if (!made.ok()) return made.status();
  tideway::CodecRegistry registry;
  tideway::CodecEntry identity;
  identity.name = "identity";
  identity.wire_id = tideway::kIdentityWireId;
  identity.create = [](const tideway::Spec&) {
    return tideway::BuiltinCodecs().Create("identity");
  };
  absl::Status added = registry.Add(std::move(identity));
  if (!added.ok() || (*made)->info().wire_id == tideway::kIdentityWireId) {
    if (!added.ok()) return added;
    return registry;
  }
  tideway::CodecEntry priced;
  priced.name = kPricedCodec;
  priced.wire_id = (*made)->info().wire_id;
  priced.create = [codec, price,
                   host](const tideway::Spec&) -> absl::StatusOr<std::unique_ptr<Codec>> {
    auto inner = tideway::BuiltinCodecs().Create(codec);
    if (!inner.ok()) return inner.status();
    return std::make_unique<PricedCodec>(*std::move(inner), price, host);
  };
  added = registry.Add(std::move(priced));
  if (!added.ok()) return added;
  return registry;
}

}  // namespace bench
