#include "tests/fuzz/codec_decode.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "tideway/builtin_codecs.h"

namespace tideway::fuzz {
namespace {

using Decoders = std::vector<std::unique_ptr<Codec>>;

const Decoders& AllDecoders() {
  static const auto* const decoders = [] {
    auto* made = new Decoders;
    const CodecRegistry registry = BuiltinCodecs();
    for (const CodecEntry& entry : registry.entries()) {
      auto decoder = registry.CreateForWireId(entry.wire_id);
      // What this build was made without.
      if (!absl::IsUnavailable(decoder.status())) made->push_back(*std::move(decoder));
    }
    return made;
  }();
  return *decoders;
}

const Codec& Chosen(uint8_t by) {
  const Decoders& decoders = AllDecoders();
  for (const auto& decoder : decoders) {
    if (decoder->info().wire_id == by) return *decoder;
  }
  return *decoders[by % decoders.size()];
}

// `bytes` of heap of exactly that size.
std::unique_ptr<std::byte[]> CopyOf(const uint8_t* data, size_t bytes) {
  auto copy = std::make_unique<std::byte[]>(bytes);
  if (bytes > 0) std::memcpy(copy.get(), data, bytes);
  return copy;
}

std::string DecodeAdd(const Codec& codec, absl::Span<const std::byte> in, size_t elements) {
  const auto accumulator = std::make_unique<float[]>(elements);
  const absl::Status status =
      codec.DecodeAdd(in, 1.0f, absl::MakeSpan(accumulator.get(), elements));
  if (!status.ok()) {
    return status.code() == absl::StatusCode::kInvalidArgument ? "" : status.ToString();
  }
  for (size_t i = 0; i < elements; ++i) {
    if (!std::isfinite(accumulator[i])) return codec.info().name + " accepted what is not finite";
  }
  return "";
}

std::string Apply(const VersionDifference& difference, absl::Span<const std::byte> in,
                  size_t elements, size_t word_bytes) {
  const size_t bytes = elements * word_bytes;
  const auto values = std::make_unique<std::byte[]>(bytes);
  for (size_t i = 0; i < bytes; ++i) values[i] = static_cast<std::byte>(i * 151);
  const absl::Status status = difference.Apply(in, word_bytes, absl::MakeSpan(values.get(), bytes));
  if (status.ok()) return "";
  if (status.code() != absl::StatusCode::kInvalidArgument) return status.ToString();
  for (size_t i = 0; i < bytes; ++i) {
    if (values[i] != static_cast<std::byte>(i * 151)) return "a refused difference left its mark";
  }
  return "";
}

}  // namespace

std::string DecodeAny(const uint8_t* data, size_t size) {
  if (size < kInputHeaderBytes) return "";
  const size_t elements = static_cast<size_t>(data[1] | data[2] << 8) % kElementsLimit;
  const size_t bytes = size - kInputHeaderBytes;
  const auto copy = CopyOf(data + kInputHeaderBytes, bytes);
  const auto in = absl::MakeConstSpan(copy.get(), bytes);
  if (data[0] == kDifferenceOf2Bytes || data[0] == kDifferenceOf4Bytes) {
    for (const auto& decoder : AllDecoders()) {
      if (decoder->version_difference() == nullptr) continue;
      return Apply(*decoder->version_difference(), in, elements,
                   data[0] == kDifferenceOf2Bytes ? 2 : 4);
    }
    return "no codec has a version difference";
  }
  return DecodeAdd(Chosen(data[0]), in, elements);
}

}  // namespace tideway::fuzz
