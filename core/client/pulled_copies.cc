#include "core/client/pulled_copies.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"
#include "core/wire/difference.h"

namespace tideway {
namespace {

absl::Status Apply(const Codec& codec, absl::Span<const std::byte> payload,
                   absl::Span<float> values) {
  const auto differences = wire::ReadDifferences(payload);
  if (!differences.ok()) return differences.status();
  for (const auto& link : differences->links) {
    if (absl::Status applied = wire::ApplyDifference(codec, link, values); !applied.ok()) {
      return applied;
    }
  }
  if (wire::HashValues(values) == differences->result_hash) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("what ", differences->links.size(),
                                                    " differences made is not the server's copy"));
}

}  // namespace

PulledCopies::PulledCopies(absl::Span<const uint32_t> fragments) {
  for (const uint32_t fragment : fragments) copies_.try_emplace(fragment);
}

void PulledCopies::Keep(uint32_t fragment, wire::ChainPosition position,
                        absl::Span<const float> values) {
  if (position.none()) return;
  Copy& copy = copies_.at(fragment);
  copy.values.assign(values.begin(), values.end());
  copy.position = position;
}

absl::Status PulledCopies::Advance(uint32_t fragment, const Codec& codec,
                                   wire::ChainPosition reached, absl::Span<const std::byte> payload,
                                   absl::Span<float> destination) {
  Copy& copy = copies_.at(fragment);
  assert(!copy.position.none() && copy.values.size() == destination.size());
  absl::Status applied = Apply(codec, payload, absl::MakeSpan(copy.values));
  if (!applied.ok()) {
    copy.position = {};
    return applied;
  }
  copy.position = reached;
  std::copy(copy.values.begin(), copy.values.end(), destination.begin());
  return absl::OkStatus();
}

}  // namespace tideway
