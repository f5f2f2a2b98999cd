#include "core/server/published_chain.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/wire/difference.h"
#include "core/wire/frame.h"
#include "tideway/limits.h"

namespace tideway {
namespace {

absl::Span<const std::byte> BytesOf(absl::Span<const float> values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)};
}

}  // namespace

PublishedChain::Answer PublishedChain::Serve(const Codec& codec, uint64_t window, uint64_t version,
                                             absl::Span<const float> theta,
                                             wire::ChainPosition held) {
  const std::shared_ptr<const Copy> copy = CopyFor(codec, window, version, theta);
  if (auto differences = DifferencesTo(*copy, held)) return *differences;
  return {.reached = copy->position,
          .start = std::nullopt,
          .bytes = BytesOf(copy->values),
          .hash = copy->hash,
          .memory = copy};
}

// --- copies ----------------------------------------------------------------------------------------

std::shared_ptr<const PublishedChain::Copy> PublishedChain::CopyFor(const Codec& codec,
                                                                    uint64_t window,
                                                                    uint64_t version,
                                                                    absl::Span<const float> theta) {
  if (auto it = by_window_.find(window); it != by_window_.end()) return it->second;
  std::shared_ptr<const Copy> copy;
  if (newest_ == nullptr || version >= newest_->position.version) {
    Extend(codec, version, theta);
    copy = newest_;
  } else {  // of a window, and the chain is past it
    copy = std::make_shared<const Copy>(Copy{.position = {0, version},
                                             .hash = wire::HashValues(theta),
                                             .values = {theta.begin(), theta.end()}});
  }
  if (window == 0) return copy;
  by_window_.emplace(window, copy);
  while (by_window_.size() > kPublishedWindowsKept) by_window_.erase(by_window_.begin());
  return copy;
}

void PublishedChain::Extend(const Codec& codec, uint64_t version, absl::Span<const float> theta) {
  if (newest_ == nullptr) return BeginAnew(version, theta);
  if (newest_->position.version == version) return;
  if (!AddLink(codec, version, theta).ok()) BeginAnew(version, theta);
  Trim();
}

absl::Status PublishedChain::AddLink(const Codec& codec, uint64_t version,
                                     absl::Span<const float> theta) {
  absl::StatusOr<std::vector<std::byte>> bytes =
      wire::EncodeDifference(codec, newest_->values, theta);
  if (!bytes.ok()) return bytes.status();
  Copy next{.position = {id_, version}, .values = newest_->values};
  absl::Status applied = wire::ApplyDifference(codec, *bytes, absl::MakeSpan(next.values));
  if (!applied.ok()) return applied;
  next.hash = wire::HashValues(next.values);
  link_bytes_ += bytes->size();
  links_.push_back({.from = newest_->position.version, .to = version, .bytes = *std::move(bytes)});
  newest_ = std::make_shared<const Copy>(std::move(next));
  return absl::OkStatus();
}

void PublishedChain::BeginAnew(uint64_t version, absl::Span<const float> theta) {
  if (newest_ != nullptr && ++id_ == 0) ++id_;
  links_.clear();
  link_bytes_ = 0;
  answers_.clear();
  newest_ = std::make_shared<const Copy>(Copy{.position = {id_, version},
                                              .hash = wire::HashValues(theta),
                                              .values = {theta.begin(), theta.end()}});
}

// A row of differences that is no smaller than an anchor is never sent.
void PublishedChain::Trim() {
  const size_t anchor_bytes = newest_->values.size() * sizeof(float);
  while (!links_.empty() && (links_.size() > kChainLinksMax || link_bytes_ >= anchor_bytes)) {
    link_bytes_ -= links_.front().bytes.size();
    links_.pop_front();
  }
}

// --- answers ---------------------------------------------------------------------------------------

std::shared_ptr<const PublishedChain::Answer> PublishedChain::DifferencesTo(
    const Copy& copy, wire::ChainPosition held) {
  if (held.none() || held.chain != copy.position.chain) return nullptr;
  for (const auto& answer : answers_) {
    if (answer->reached == copy.position && answer->start == held) return answer;
  }
  auto made = MakeDifferences(copy, held);
  if (made == nullptr) return nullptr;
  answers_.push_back(made);
  if (answers_.size() > kChainAnswersKept) answers_.pop_front();
  return made;
}

std::shared_ptr<const PublishedChain::Answer> PublishedChain::MakeDifferences(
    const Copy& copy, wire::ChainPosition held) const {
  wire::Differences row{.result_hash = copy.hash};
  size_t link_bytes = 0;
  uint64_t at = held.version;
  for (const Link& link : links_) {
    if (at == copy.position.version) break;
    if (link.from != at) continue;
    row.links.push_back(link.bytes);
    link_bytes += link.bytes.size();
    at = link.to;
  }
  const size_t anchor_bytes = copy.values.size() * sizeof(float);
  if (at != copy.position.version ||
      wire::DifferencesBytes(row.links.size(), link_bytes) >= anchor_bytes) {
    return nullptr;
  }
  auto payload = std::make_shared<const std::vector<std::byte>>(wire::PackDifferences(row));
  return std::make_shared<const Answer>(Answer{.reached = copy.position,
                                               .start = held,
                                               .bytes = *payload,
                                               .hash = wire::HashPayload(*payload),
                                               .memory = payload});
}

size_t PublishedChain::memory_bytes() const {
  std::set<const Copy*> copies;
  if (newest_ != nullptr) copies.insert(newest_.get());
  for (const auto& [window, copy] : by_window_) copies.insert(copy.get());
  size_t bytes = link_bytes_;
  for (const Copy* copy : copies) bytes += copy->values.size() * sizeof(float);
  for (const auto& answer : answers_) bytes += answer->bytes.size();
  return bytes;
}

}  // namespace tideway
