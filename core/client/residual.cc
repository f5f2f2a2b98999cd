#include "core/client/residual.h"

#include <algorithm>

namespace tideway {

std::vector<float>& Residual::Part(uint32_t fragment) {
  std::vector<float>& part = parts_[fragment];
  if (part.empty()) part.assign(layout_->fragments()[fragment].elements, 0.0f);
  return part;
}

absl::StatusOr<size_t> Residual::Encode(const Codec& codec, uint32_t fragment,
                                        absl::Span<const float> delta, absl::Span<std::byte> out) {
  absl::MutexLock lock(&mutex_);
  if (feedback_.momentum > 0) return EncodeVelocity(codec, fragment, delta, out);
  absl::Span<float> part;
  if (feedback_.enabled && (!codec.info().lossless || parts_.contains(fragment))) {
    part = absl::MakeSpan(Part(fragment));
  }
  return codec.Encode(delta, part, EncodeOptions{.residual_decay = feedback_.decay}, out);
}

absl::StatusOr<size_t> Residual::EncodeVelocity(const Codec& codec, uint32_t fragment,
                                                absl::Span<const float> delta,
                                                absl::Span<std::byte> out) {
  std::vector<float>& velocity = velocities_[fragment];
  velocity.resize(delta.size());
  next_velocity_.resize(delta.size());
  for (size_t i = 0; i < delta.size(); ++i) {
    next_velocity_[i] = feedback_.momentum * velocity[i] + delta[i];
  }
  absl::StatusOr<size_t> bytes =
      codec.Encode(next_velocity_, absl::MakeSpan(Part(fragment)),
                   EncodeOptions{.residual_decay = feedback_.decay}, out);
  if (!bytes.ok()) return bytes;
  velocity.swap(next_velocity_);
  if (!feedback_.masking) return bytes;
  absl::Status masked = Mask(codec, out.first(*bytes), velocity);
  if (!masked.ok()) return masked;
  return bytes;
}

absl::Status Residual::Mask(const Codec& codec, absl::Span<const std::byte> sent,
                            std::vector<float>& velocity) {
  decoded_.assign(velocity.size(), 0.0f);
  if (absl::Status s = codec.DecodeAdd(sent, 1.0f, absl::MakeSpan(decoded_)); !s.ok()) return s;
  for (size_t i = 0; i < velocity.size(); ++i) {
    if (decoded_[i] != 0.0f) velocity[i] = 0.0f;
  }
  return absl::OkStatus();
}

void Residual::Add(uint32_t fragment, absl::Span<const float> delta) {
  if (!feedback_.enabled) return;
  absl::MutexLock lock(&mutex_);
  std::vector<float>& part = Part(fragment);
  for (size_t i = 0; i < part.size(); ++i) part[i] += delta[i];
}

absl::Status Residual::AddEncoded(const Codec& codec, uint32_t fragment,
                                  absl::Span<const std::byte> encoded) {
  if (!feedback_.enabled) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  return codec.DecodeAdd(encoded, 1.0f, absl::MakeSpan(Part(fragment)));
}

bool Residual::EmptyFor(uint32_t fragment) const {
  absl::MutexLock lock(&mutex_);
  return !parts_.contains(fragment);
}

bool Residual::empty() const {
  absl::MutexLock lock(&mutex_);
  return parts_.empty();
}

void Residual::CopyTo(absl::Span<float> all) const {
  absl::MutexLock lock(&mutex_);
  for (const auto& [fragment, part] : parts_) {
    std::copy(part.begin(), part.end(), all.begin() + layout_->fragments()[fragment].offset);
  }
}

void Residual::AddTo(Sums* sums) const {
  absl::MutexLock lock(&mutex_);
  for (const auto& [fragment, part] : parts_) {
    double squares = 0;
    uint64_t nonzero = 0;
    for (const float value : part) {
      squares += static_cast<double>(value) * static_cast<double>(value);
      nonzero += value != 0.0f ? 1 : 0;
    }
    sums->squares += squares;
    sums->nonzero += nonzero;
  }
}

void Residual::Set(absl::Span<const float> all) {
  absl::MutexLock lock(&mutex_);
  parts_.clear();
  if (all.empty()) return;
  for (uint32_t fragment : layout_->fragments_of(server_)) {
    const FragmentSpec& spec = layout_->fragments()[fragment];
    const auto values = all.subspan(spec.offset, spec.elements);
    parts_[fragment].assign(values.begin(), values.end());
  }
}

}  // namespace tideway
