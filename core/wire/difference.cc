#include "core/wire/difference.h"

#include <cassert>

#include "core/wire/frame.h"

namespace tideway::wire {
namespace {

absl::Span<const std::byte> BytesOf(absl::Span<const float> values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)};
}

// What `encode` writes into `bound` bytes.
template <typename Encode>
absl::StatusOr<std::vector<std::byte>> Encoded(size_t bound, Encode encode) {
  std::vector<std::byte> encoded(bound);
  absl::StatusOr<size_t> bytes = encode(absl::MakeSpan(encoded));
  if (!bytes.ok()) return bytes.status();
  encoded.resize(*bytes);
  encoded.shrink_to_fit();
  return encoded;
}

}  // namespace

absl::StatusOr<std::vector<std::byte>> EncodeDifference(const Codec& codec,
                                                        absl::Span<const float> from,
                                                        absl::Span<const float> to) {
  assert(from.size() == to.size());
  if (const VersionDifference* exact = codec.version_difference()) {
    return Encoded(exact->Bound(to.size() * sizeof(float)), [&](absl::Span<std::byte> out) {
      return exact->Encode(BytesOf(from), BytesOf(to), sizeof(float), out);
    });
  }
  std::vector<float> delta(to.size());
  for (size_t i = 0; i < to.size(); ++i) delta[i] = to[i] - from[i];
  return Encoded(codec.Bound(delta.size()), [&](absl::Span<std::byte> out) {
    return codec.Encode(delta, {}, EncodeOptions{}, out);
  });
}

absl::Status ApplyDifference(const Codec& codec, absl::Span<const std::byte> in,
                             absl::Span<float> values) {
  if (const VersionDifference* exact = codec.version_difference()) {
    return exact->Apply(
        in, sizeof(float),
        absl::MakeSpan(reinterpret_cast<std::byte*>(values.data()), values.size() * sizeof(float)));
  }
  return codec.DecodeAdd(in, 1.0f, values);
}

uint64_t HashValues(absl::Span<const float> values) { return HashPayload(BytesOf(values)); }

}  // namespace tideway::wire
