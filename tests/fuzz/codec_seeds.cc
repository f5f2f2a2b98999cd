#include "tests/fuzz/codec_seeds.h"

#include <cassert>
#include <utility>

#include "tests/fuzz/codec_decode.h"
#include "tideway/builtin_codecs.h"

namespace tideway::fuzz {
namespace {

Bytes InputOf(uint8_t which, size_t elements, absl::Span<const std::byte> encoded) {
  Bytes input = {which, static_cast<uint8_t>(elements), static_cast<uint8_t>(elements >> 8)};
  for (const std::byte byte : encoded) input.push_back(std::to_integer<uint8_t>(byte));
  return input;
}

}  // namespace

Bytes ValidInput(const Codec& codec, size_t elements, std::mt19937_64& random) {
  std::vector<float> delta(elements, 0.0f);
  const uint64_t zeros = random() % 64;
  for (float& value : delta) {
    if (random() % 64 >= zeros)
      value = static_cast<float>(static_cast<int32_t>(random())) * 0x1p-31f;
  }
  std::vector<std::byte> out(codec.Bound(elements));
  const auto bytes = codec.Encode(delta, {}, {}, absl::MakeSpan(out));
  assert(bytes.ok());
  return InputOf(codec.info().wire_id, elements, absl::MakeConstSpan(out).first(*bytes));
}

Bytes ValidDifference(const VersionDifference& difference, size_t word_bytes, size_t elements,
                      std::mt19937_64& random) {
  std::vector<std::byte> from(elements * word_bytes), out(difference.Bound(from.size()));
  for (std::byte& byte : from) byte = static_cast<std::byte>(random());
  std::vector<std::byte> to = from;
  const uint64_t same = random() % 64;
  for (std::byte& byte : to) {
    if (random() % 64 >= same) byte ^= static_cast<std::byte>(random() % 8);
  }
  const auto bytes = difference.Encode(from, to, word_bytes, absl::MakeSpan(out));
  assert(bytes.ok());
  return InputOf(word_bytes == 2 ? kDifferenceOf2Bytes : kDifferenceOf4Bytes, elements,
                 absl::MakeConstSpan(out).first(*bytes));
}

std::vector<std::unique_ptr<Codec>> Encoders() {
  std::vector<std::unique_ptr<Codec>> encoders;
  const CodecRegistry registry = BuiltinCodecs();
  const auto add = [&](const std::string& spec) {
    auto codec = registry.Create(spec);
    if (absl::IsUnavailable(codec.status())) return;
    assert(codec.ok());
    encoders.push_back(*std::move(codec));
  };
  for (const CodecEntry& entry : registry.entries()) {
    if (entry.create != nullptr) add(entry.name);
    if (entry.wrap == nullptr) continue;
    for (const CodecEntry& inner : registry.entries()) {
      if (inner.create != nullptr) add(inner.name + "+" + entry.name);
    }
  }
  return encoders;
}

}  // namespace tideway::fuzz
