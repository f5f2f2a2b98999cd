#include "core/server/difference_codecs.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway {

absl::StatusOr<std::shared_ptr<const Codec>> DifferenceCodecs::Take(const std::string& spec) {
  absl::StatusOr<std::unique_ptr<Codec>> made = registry_->Create(spec);
  if (!made.ok()) return made.status();
  std::shared_ptr<const Codec> codec = *std::move(made);
  absl::MutexLock lock(&mutex_);
  std::erase_if(by_spec_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<const Codec>& known = by_spec_[codec->info().spec];
  if (auto shared = known.lock()) return shared;
  if (by_spec_.size() > codecs_max_) {
    by_spec_.erase(codec->info().spec);
    return absl::ResourceExhaustedError(absl::StrCat(
        "this server makes differences with ", codecs_max_,
        " codecs at most; use one that other workers use, or raise difference_codecs_max"));
  }
  known = codec;
  return codec;
}

}  // namespace tideway
