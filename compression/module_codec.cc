#include "compression/module_codec.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/common/checks.h"
#include "tideway/limits.h"

namespace tideway {
namespace {

// Where a module writes why it refuses.
class ModuleError {
 public:
  char* room() { return text_; }

  absl::Status StatusOf(int code, absl::string_view name) {
    text_[sizeof(text_) - 1] = '\0';
    const absl::string_view why = text_[0] != '\0' ? text_ : "the module gives no reason";
    switch (code) {
      case kTidewayCodecOk:
        return absl::OkStatus();
      case kTidewayCodecInvalid:
        return absl::InvalidArgumentError(absl::StrCat(name, ": ", why));
      default:
        return absl::InternalError(absl::StrCat(name, ": ", why, " (code ", code, ")"));
    }
  }

 private:
  char text_[kTidewayCodecErrorBytes] = {};
};

class ModuleCodec final : public Codec {
 public:
  ModuleCodec(const TidewayCodecModule& module, const Spec& spec, void* codec)
      : module_(module),
        codec_(codec),
        info_{.name = module.name,
              .spec = spec.ToString(),
              .wire_id = static_cast<uint8_t>(module.wire_id),
              .lossless = module.lossless != 0,
              .dense = module.dense != 0} {}
  ~ModuleCodec() override { module_.destroy(codec_); }
  ModuleCodec(const ModuleCodec&) = delete;
  ModuleCodec& operator=(const ModuleCodec&) = delete;

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override { return module_.bound(codec_, elements); }

  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    const size_t bound = Bound(delta.size());
    if (bound > EncodedBytesMax(delta.size())) {
      return absl::InternalError(absl::StrCat(info_.name, ": the module asks for ", bound,
                                              " bytes for ", delta.size(), " elements; at most ",
                                              EncodedBytesMax(delta.size()), " are possible"));
    }
    const auto pushed = compression::CheckEncode(delta, residual, options, out, bound);
    if (!pushed.ok()) return pushed.status();
    if (absl::Status finite = compression::CheckFinite(*pushed); !finite.ok()) return finite;
    ModuleError error;
    size_t written = 0;
    const int code =
        module_.encode(codec_, pushed->delta, pushed->residual, pushed->elements, pushed->decay,
                       reinterpret_cast<uint8_t*>(out.data()), &written, error.room());
    if (absl::Status status = error.StatusOf(code, info_.name); !status.ok()) return status;
    if (written <= bound) return written;
    return absl::InternalError(
        absl::StrCat(info_.name, ": the module wrote ", written, " bytes into ", bound));
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    ModuleError error;
    const int code =
        module_.decode_add(codec_, reinterpret_cast<const uint8_t*>(in.data()), in.size(), scale,
                           accumulator.data(), accumulator.size(), error.room());
    return error.StatusOf(code, info_.name);
  }

 private:
  const TidewayCodecModule module_;
  void* const codec_;
  const CodecInfo info_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Codec>> NewModuleCodec(const TidewayCodecModule& module,
                                                      const Spec& spec) {
  ModuleError error;
  void* codec = nullptr;
  const int code = module.create(module.user, spec.ToString().c_str(), &codec, error.room());
  if (absl::Status status = error.StatusOf(code, module.name); !status.ok()) return status;
  return std::make_unique<ModuleCodec>(module, spec, codec);
}

}  // namespace tideway
