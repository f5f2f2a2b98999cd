#include "core/wire/chain_frames.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace tideway::wire {
namespace {

// In front of the table of lengths. frame.cc asserts that this machine is little-endian, as the wire is.
struct Head {
  uint32_t count = 0;
  uint32_t reserved = 0;
  uint64_t result_hash = 0;
};
static_assert(sizeof(Head) == 16, "no padding");
static_assert(DifferencesBytes(0, 0) == sizeof(Head));
static_assert(DifferencesBytes(1, 0) == sizeof(Head) + sizeof(uint32_t));

absl::Status Bad(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("differences: ", what));
}

}  // namespace

std::vector<std::byte> PackDifferences(const Differences& differences) {
  assert(differences.links.size() <= kChainLinksMax);
  size_t link_bytes = 0;
  for (const auto& link : differences.links) link_bytes += link.size();
  std::vector<std::byte> payload(DifferencesBytes(differences.links.size(), link_bytes));
  const Head head{.count = static_cast<uint32_t>(differences.links.size()),
                  .result_hash = differences.result_hash};
  std::memcpy(payload.data(), &head, sizeof(head));
  std::byte* length_at = payload.data() + sizeof(head);
  std::byte* link_at = length_at + sizeof(uint32_t) * differences.links.size();
  for (const auto& link : differences.links) {
    const auto length = static_cast<uint32_t>(link.size());
    std::memcpy(length_at, &length, sizeof(length));
    length_at += sizeof(length);
    link_at = std::copy(link.begin(), link.end(), link_at);
  }
  return payload;
}

absl::StatusOr<Differences> ReadDifferences(absl::Span<const std::byte> payload) {
  Head head;
  if (payload.size() < sizeof(head)) {
    return Bad(absl::StrCat(payload.size(), " bytes are too few for their head"));
  }
  std::memcpy(&head, payload.data(), sizeof(head));
  if (head.count > kChainLinksMax || head.reserved != 0) {
    return Bad(absl::StrCat(head.count, " of them, of at most ", kChainLinksMax,
                            ", or a reserved field that is not zero"));
  }
  const size_t begin = DifferencesBytes(head.count, 0);
  if (payload.size() < begin) return Bad("their lengths are cut off");
  absl::Span<const std::byte> rest = payload.subspan(begin);
  Differences differences{.result_hash = head.result_hash};
  for (uint32_t i = 0; i < head.count; ++i) {
    uint32_t length = 0;
    std::memcpy(&length, payload.data() + DifferencesBytes(i, 0), sizeof(length));
    if (length > rest.size()) return Bad(absl::StrCat("number ", i, " is cut off"));
    differences.links.push_back(rest.first(length));
    rest.remove_prefix(length);
  }
  if (!rest.empty()) return Bad(absl::StrCat(rest.size(), " bytes follow the last one"));
  return differences;
}

}  // namespace tideway::wire
