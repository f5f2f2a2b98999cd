#include "core/sync/version_store.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tideway::sync {

absl::StatusOr<size_t> VersionStore::Publish(uint64_t version,
                                             absl::Span<const std::byte* const> weights,
                                             Executor* helpers, int helpers_max) {
  absl::MutexLock publishing(&publishing_mutex_);
  std::vector<std::shared_ptr<Anchor>> anchors;
  {
    absl::MutexLock lock(&mutex_);
    if (version <= newest_) {
      return absl::InvalidArgumentError(
          absl::StrCat("version ", version, " is not above ", newest_,
                       ", the newest one; versions go up, from 1 on"));
    }
    advancing_ = true;
    for (const auto& [anchor, readers] : anchors_) anchors.push_back(anchor);
  }
  Edition edition = master_->Advance(version, weights, anchors, helpers, helpers_max);
  anchors.clear();
  const size_t bytes = edition.bytes;
  absl::MutexLock lock(&mutex_);
  advancing_ = false;
  newest_ = version;
  checksums_ = edition.checksums;
  Keep(std::move(edition));
  return bytes;
}

void VersionStore::Keep(Edition edition) {
  if (edition.from == 0) {  // nothing that was kept leads here
    links_.clear();
    bytes_links_ = 0;
    return;
  }
  bytes_links_ += edition.bytes;
  links_.push_back(std::move(edition));
  while (links_.size() > 1 &&
         (links_.size() > limits_.links_max || bytes_links_ > limits_.history_bytes_max)) {
    bytes_links_ -= links_.front().bytes;
    links_.pop_front();
  }
}

VersionStore::Plan VersionStore::PlanFrom(uint64_t held) {
  absl::MutexLock lock(&mutex_);
  Plan plan;
  if (newest_ == 0 || held == newest_) return plan;
  if (!PlanChain(held, plan)) PlanWhole(held, plan);
  return plan;
}

bool VersionStore::PlanChain(uint64_t held, Plan& plan) const {
  const auto first = std::find_if(links_.begin(), links_.end(),
                                  [held](const Edition& link) { return link.from == held; });
  if (held == 0 || first == links_.end()) return false;
  size_t bytes = 0;
  uint64_t frames = 0;
  for (auto link = first; link != links_.end(); ++link) {
    bytes += link->bytes;
    frames += link->pages.size();
  }
  if (bytes >= table_->layout().bytes()) return false;
  plan = {.kind = Plan::Kind::kChain,
          .from = held,
          .to = newest_,
          .frames = frames,
          .checksums = checksums_};
  return true;
}

void VersionStore::PlanWhole(uint64_t held, Plan& plan) {
  plan.kind = Plan::Kind::kLater;
  plan.frames = table_->chunks().size();
  // One that is being read already costs no memory, if the newest version can be reached from there.
  for (auto& [anchor, readers] : anchors_) {
    Plan rest;
    const uint64_t version = anchor->version();
    if (version <= held || (version != newest_ && !PlanChain(version, rest))) continue;
    ++readers;
    plan.anchor = anchor;
    break;
  }
  if (plan.anchor == nullptr) {
    if (advancing_ || anchors_.size() >= limits_.anchors_max) return;
    plan.anchor = master_->NewAnchor(checksums_);
    anchors_.emplace_back(plan.anchor, 1);
  }
  plan.kind = Plan::Kind::kWhole;
  plan.to = plan.anchor->version();
  plan.checksums = plan.anchor->checksums();
}

void VersionStore::DropAnchor(std::shared_ptr<Anchor> anchor) {
  absl::MutexLock lock(&mutex_);
  const auto kept = std::find_if(anchors_.begin(), anchors_.end(),
                                 [&](const auto& entry) { return entry.first == anchor; });
  if (kept != anchors_.end() && --kept->second == 0) anchors_.erase(kept);
}

absl::StatusOr<VersionStore::Next> VersionStore::NextPage(Cursor& cursor) const {
  absl::MutexLock lock(&mutex_);
  for (const Edition& link : links_) {
    if (link.from < cursor.from) continue;
    if (link.from != cursor.from) break;
    if (cursor.page < link.pages.size()) {
      return Next{.page = link.pages[cursor.page++], .from = link.from, .to = link.to};
    }
    cursor = {.from = link.to, .page = 0};
  }
  return absl::OutOfRangeError("the difference is no longer kept");
}

VersionStore::Totals VersionStore::totals() const {
  absl::MutexLock lock(&mutex_);
  return {.newest = newest_,
          .links = links_.size(),
          .bytes_links = bytes_links_,
          .anchors = anchors_.size()};
}

}  // namespace tideway::sync
