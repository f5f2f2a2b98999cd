#include "core/client/residual.h"

#include <algorithm>

namespace tideway {

std::vector<float>& Residual::Part(uint32_t fragment) {
  std::vector<float>& part = parts_[fragment];
  if (part.empty()) part.assign(layout_->fragments()[fragment].elements, 0.0f);
  return part;
}

absl::StatusOr<size_t> Residual::Encode(const Codec& codec, uint32_t fragment,
                                        absl::Span<const float> delta, float decay,
                                        absl::Span<std::byte> out) {
  absl::MutexLock lock(&mutex_);
  absl::Span<float> part;
  if (enabled_ && (!codec.info().lossless || parts_.contains(fragment))) {
    part = absl::MakeSpan(Part(fragment));
  }
  return codec.Encode(delta, part, EncodeOptions{.residual_decay = decay}, out);
}

void Residual::Add(uint32_t fragment, absl::Span<const float> delta) {
  if (!enabled_) return;
  absl::MutexLock lock(&mutex_);
  std::vector<float>& part = Part(fragment);
  for (size_t i = 0; i < part.size(); ++i) part[i] += delta[i];
}

absl::Status Residual::AddEncoded(const Codec& codec, uint32_t fragment,
                                  absl::Span<const std::byte> encoded) {
  if (!enabled_) return absl::OkStatus();
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
