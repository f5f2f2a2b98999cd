#include "core/server/published.h"

#include "core/wire/frame.h"

namespace tideway {
namespace {

absl::StatusOr<std::unique_ptr<Published::Encoded>> MakeEncoding(const Codec& codec,
                                                                 absl::Span<const float> values) {
  auto encoded = std::make_unique<Published::Encoded>();
  if (codec.info().wire_id == kIdentityWireId) {
    encoded->bytes = {reinterpret_cast<const std::byte*>(values.data()),
                      values.size() * sizeof(float)};
  } else {
    encoded->memory.resize(codec.Bound(values.size()));
    absl::StatusOr<size_t> bytes =
        codec.Encode(values, {}, EncodeOptions{}, absl::MakeSpan(encoded->memory));
    if (!bytes.ok()) return bytes.status();
    encoded->memory.resize(*bytes);
    encoded->memory.shrink_to_fit();
    encoded->bytes = encoded->memory;
  }
  encoded->hash = wire::HashPayload(encoded->bytes);
  return encoded;
}

}  // namespace

Published::Published(uint64_t version, absl::Span<const float> values)
    : version_(version), values_(values.begin(), values.end()) {}

const Published::Encoded* Published::Find(const Codec& codec) const {
  absl::MutexLock lock(&mutex_);
  auto it = encodings_.find(codec.info().spec);
  return it == encodings_.end() ? nullptr : it->second.get();
}

absl::StatusOr<const Published::Encoded*> Published::Encode(const Codec& codec) {
  if (const Encoded* found = Find(codec)) return found;
  auto encoded = MakeEncoding(codec, values_);
  if (!encoded.ok()) return encoded.status();
  absl::MutexLock lock(&mutex_);
  // Two may have encoded at once; the first stays, since somebody may be sending it.
  auto [it, inserted] = encodings_.try_emplace(codec.info().spec, *std::move(encoded));
  return it->second.get();
}

}  // namespace tideway
