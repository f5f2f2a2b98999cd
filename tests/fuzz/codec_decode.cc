#include "tests/fuzz/codec_decode.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "tideway/builtin_codecs.h"

namespace tideway::fuzz {
namespace {

const std::vector<std::unique_ptr<Codec>>& Decoders() {
  static const auto* const decoders = [] {
    auto* made = new std::vector<std::unique_ptr<Codec>>;
    const CodecRegistry registry = BuiltinCodecs();
    for (const CodecEntry& entry : registry.entries()) {
      made->push_back(*registry.CreateForWireId(entry.wire_id));
    }
    return made;
  }();
  return *decoders;
}

}  // namespace

std::string DecodeAny(const uint8_t* data, size_t size) {
  if (size < kInputHeaderBytes) return "";
  const Codec& codec = *Decoders()[data[0] % Decoders().size()];
  const size_t elements = static_cast<size_t>(data[1] | data[2] << 8) % kElementsLimit;
  const size_t bytes = size - kInputHeaderBytes;
  const auto in = std::make_unique<std::byte[]>(bytes);
  if (bytes > 0) std::memcpy(in.get(), data + kInputHeaderBytes, bytes);
  const auto accumulator = std::make_unique<float[]>(elements);
  const absl::Status status = codec.DecodeAdd(absl::MakeConstSpan(in.get(), bytes), 1.0f,
                                              absl::MakeSpan(accumulator.get(), elements));
  if (!status.ok()) {
    return status.code() == absl::StatusCode::kInvalidArgument ? "" : status.ToString();
  }
  for (size_t i = 0; i < elements; ++i) {
    if (!std::isfinite(accumulator[i])) return codec.info().name + " accepted what is not finite";
  }
  return "";
}

}  // namespace tideway::fuzz
