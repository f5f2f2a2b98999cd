#include "core/server/published.h"

#include <algorithm>
#include <utility>

#include "core/wire/frame.h"

namespace tideway {
namespace {

absl::Span<const std::byte> BytesOf(absl::Span<const float> values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)};
}

absl::Span<const float> CopiedTo(const ExposedSlot& slot, absl::Span<const float> values) {
  const absl::Span<float> to = slot.values();
  std::copy(values.begin(), values.end(), to.begin());
  return to;
}

absl::StatusOr<std::unique_ptr<Published::Encoded>> MakeEncoding(const Codec& codec,
                                                                 const Published& published) {
  const absl::Span<const float> values = published.values();
  auto encoded = std::make_unique<Published::Encoded>();
  if (codec.info().wire_id == kIdentityWireId) {
    encoded->bytes = BytesOf(values);
    if (published.slot() != nullptr) {  // hashed already
      encoded->hash = published.slot_hash();
      return encoded;
    }
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

Published::Published(uint64_t version, absl::Span<const float> values,
                     std::unique_ptr<ExposedSlot> slot)
    : version_(version),
      slot_(std::move(slot)),
      heap_(slot_ == nullptr ? std::vector<float>(values.begin(), values.end())
                             : std::vector<float>()),
      values_(slot_ == nullptr ? absl::MakeConstSpan(heap_) : CopiedTo(*slot_, values)),
      slot_hash_(slot_ == nullptr ? 0 : wire::HashPayload(BytesOf(values_))) {}

const Published::Encoded* Published::Find(const Codec& codec) const {
  absl::MutexLock lock(&mutex_);
  auto it = encodings_.find(codec.info().spec);
  return it == encodings_.end() ? nullptr : it->second.get();
}

absl::StatusOr<const Published::Encoded*> Published::Encode(const Codec& codec) {
  if (const Encoded* found = Find(codec)) return found;
  auto encoded = MakeEncoding(codec, *this);
  if (!encoded.ok()) return encoded.status();
  absl::MutexLock lock(&mutex_);
  // Two may have encoded at once; the first stays, since somebody may be sending it.
  auto [it, inserted] = encodings_.try_emplace(codec.info().spec, *std::move(encoded));
  return it->second.get();
}

}  // namespace tideway
