#include "core/client/residual.h"

#include <algorithm>

namespace tideway {
namespace {

// Where something of it was sent, the velocity starts again.
absl::Status Mask(const Codec& codec, absl::Span<const std::byte> sent,
                  std::vector<float>& velocity) {
  std::vector<float> decoded(velocity.size(), 0.0f);
  if (absl::Status s = codec.DecodeAdd(sent, 1.0f, absl::MakeSpan(decoded)); !s.ok()) return s;
  for (size_t i = 0; i < velocity.size(); ++i) {
    if (decoded[i] != 0.0f) velocity[i] = 0.0f;
  }
  return absl::OkStatus();
}

// In lanes that don't wait for one another: a single sum takes 1.5 to 3 times as long (measured).
void AddSums(absl::Span<const float> values, Residual::Sums* sums) {
  constexpr size_t kLanes = 8;
  double squares[kLanes] = {};
  uint32_t nonzero[kLanes] = {};
  const auto add = [&](size_t lane, float value) {
    squares[lane] += static_cast<double>(value) * static_cast<double>(value);
    nonzero[lane] += value != 0.0f ? 1 : 0;
  };
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) add(lane, values[i + lane]);
  }
  for (; i < values.size(); ++i) add(0, values[i]);
  for (size_t lane = 0; lane < kLanes; ++lane) {
    sums->squares += squares[lane];
    sums->nonzero += nonzero[lane];
  }
}

}  // namespace

Residual::Part* Residual::Find(uint32_t fragment) const {
  absl::MutexLock lock(&mutex_);
  const auto it = parts_.find(fragment);
  return it == parts_.end() ? nullptr : it->second.get();
}

Residual::Part& Residual::FindOrMake(uint32_t fragment) {
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<Part>& part = parts_[fragment];
  if (part == nullptr) {
    part = std::make_shared<Part>();
    absl::MutexLock own(&part->mutex);
    part->values.assign(layout_->fragments()[fragment].elements, 0.0f);
  }
  return *part;
}

std::vector<std::pair<uint32_t, std::shared_ptr<Residual::Part>>> Residual::All() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::pair<uint32_t, std::shared_ptr<Part>>> all;
  for (const auto& [fragment, part] : parts_) all.emplace_back(fragment, part);
  return all;
}

absl::StatusOr<size_t> Residual::Encode(const Codec& codec, uint32_t fragment,
                                        absl::Span<const float> delta, absl::Span<std::byte> out) {
  const EncodeOptions options{.residual_decay = feedback_.decay};
  Part* part = Find(fragment);
  if (!feedback_.enabled || (part == nullptr && codec.info().lossless)) {
    return codec.Encode(delta, {}, options, out);
  }
  if (part == nullptr) part = &FindOrMake(fragment);
  absl::MutexLock lock(&part->mutex);
  if (feedback_.momentum > 0) return EncodeVelocity(codec, *part, delta, out);
  return codec.Encode(delta, absl::MakeSpan(part->values), options, out);
}

absl::StatusOr<size_t> Residual::EncodeVelocity(const Codec& codec, Part& part,
                                                absl::Span<const float> delta,
                                                absl::Span<std::byte> out) {
  part.velocity.resize(delta.size());
  std::vector<float> velocity(delta.size());
  for (size_t i = 0; i < delta.size(); ++i) {
    velocity[i] = feedback_.momentum * part.velocity[i] + delta[i];
  }
  absl::StatusOr<size_t> bytes =
      codec.Encode(velocity, absl::MakeSpan(part.values), {.residual_decay = feedback_.decay}, out);
  if (!bytes.ok()) return bytes;
  if (feedback_.masking) {
    // Our own encoding of our own floats: it decodes.
    if (absl::Status s = Mask(codec, out.first(*bytes), velocity); !s.ok()) return s;
  }
  part.velocity.swap(velocity);
  return bytes;
}

void Residual::Add(uint32_t fragment, absl::Span<const float> delta) {
  if (!feedback_.enabled) return;
  Part& part = FindOrMake(fragment);
  absl::MutexLock lock(&part.mutex);
  for (size_t i = 0; i < part.values.size(); ++i) part.values[i] += delta[i];
}

absl::Status Residual::AddEncoded(const Codec& codec, uint32_t fragment,
                                  absl::Span<const std::byte> encoded) {
  if (!feedback_.enabled) return absl::OkStatus();
  Part& part = FindOrMake(fragment);
  absl::MutexLock lock(&part.mutex);
  return codec.DecodeAdd(encoded, 1.0f, absl::MakeSpan(part.values));
}

bool Residual::EmptyFor(uint32_t fragment) const { return Find(fragment) == nullptr; }

bool Residual::empty() const {
  absl::MutexLock lock(&mutex_);
  return parts_.empty();
}

void Residual::CopyTo(absl::Span<float> all) const {
  for (const auto& [fragment, part] : All()) {
    absl::MutexLock lock(&part->mutex);
    std::copy(part->values.begin(), part->values.end(),
              all.begin() + layout_->fragments()[fragment].offset);
  }
}

void Residual::AddTo(Sums* sums) const {
  for (const auto& [fragment, part] : All()) {
    absl::MutexLock lock(&part->mutex);
    AddSums(part->values, sums);
  }
}

void Residual::Set(absl::Span<const float> all) {
  {
    absl::MutexLock lock(&mutex_);
    parts_.clear();
  }
  if (all.empty()) return;
  for (const uint32_t fragment : layout_->fragments_of(server_)) {
    Add(fragment, all.subspan(layout_->fragments()[fragment].offset,
                              layout_->fragments()[fragment].elements));
  }
}

}  // namespace tideway
