// The part of ServerCore that looks at the whole: snapshots and statistics.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/server/server_core.h"

namespace tideway {
namespace {

// Gathers what the strands hand in; whoever hands in last has it all.
struct Collection {
  absl::Mutex mutex;
  SnapshotContent content ABSL_GUARDED_BY(mutex);
  size_t missing ABSL_GUARDED_BY(mutex) = 0;
};

}  // namespace

void ServerCore::Collect(absl::AnyInvocable<void(SnapshotContent)> done) {
  auto collection = std::make_shared<Collection>();
  auto shared_done = std::make_shared<absl::AnyInvocable<void(SnapshotContent)>>(std::move(done));
  {
    absl::MutexLock lock(&collection->mutex);
    collection->missing = slots_.size();
    collection->content.server_index = options_.server_index;
    collection->content.outer_optimizer = optimizer_->spec();
    // Before the fragments: whoever they remember is then in the table.
    collection->content.workers = workers_.Export();
    if (leader_ != nullptr) collection->content.schedule = leader_->Export();
  }
  if (slots_.empty()) {  // more servers than fragments
    executor().Post([collection, shared_done] {
      absl::MutexLock lock(&collection->mutex);
      (*shared_done)(std::move(collection->content));
    });
  }
  for (auto& slot : slots_) {
    slot->strand.PostUrgent(
        [self = shared_from_this(), slot = slot.get(), collection, shared_done] {
          Fragment::State state = slot->fragment->Export();
          SnapshotContent content;
          {
            absl::MutexLock lock(&collection->mutex);
            collection->content.fragments.emplace(slot->fragment->spec().id, std::move(state));
            if (--collection->missing != 0) return;
            content = std::move(collection->content);
          }
          (*shared_done)(std::move(content));
        });
  }
}

void ServerCore::WriteSnapshot(absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) {
  if (snapshots_ == nullptr) {
    return done(
        absl::FailedPreconditionError("this server keeps no snapshots; give it a snapshot_dir"));
  }
  if (snapshot_running_.exchange(true)) {
    return done(absl::UnavailableError("a snapshot is being written already; ask again"));
  }
  Collect([self = shared_from_this(), done = std::move(done)](SnapshotContent content) mutable {
    auto folder = self->snapshots_->Write(content, self->layout_);
    self->snapshot_running_ = false;
    if (folder.ok()) {
      for (const auto& [id, state] : content.fragments) {
        self->slot(id).fragment->set_durable_version(state.version);
      }
      self->Emit({.kind = ServerEvent::Kind::kSnapshot});
    } else {
      self->Log(LogLevel::kError, absl::StrCat("snapshot failed: ", folder.status().message()));
    }
    done(std::move(folder));
  });
}

void ServerCore::SnapshotOnTime() {
  WriteSnapshot([](const absl::StatusOr<std::string>&) {});
}

ServerStats ServerCore::stats() const {
  ServerStats stats;
  stats.seconds = absl::ToDoubleSeconds(runtime_->executor().Now() - started_);
  stats.version_min = slots_.empty() ? 0 : UINT64_MAX;
  for (const auto& slot : slots_) {
    stats.version_min = std::min(stats.version_min, slot->fragment->version());
    stats.version_max = std::max(stats.version_max, slot->fragment->version());
  }
  stats.outer_steps = outer_steps_;
  stats.buffered = buffered_;
  stats.rejected = rejected_;
  stats.duplicates = duplicates_;
  stats.sessions_refused = sessions_refused_;
  {
    absl::MutexLock lock(&mutex_);
    stats.sessions = sessions_.size();
  }
  for (const auto& bin : staleness_bins_) stats.staleness_histogram.push_back(bin);
  stats.workers = workers_.stats();
  if (leader_ != nullptr) leader_->AddTo(stats);
  return stats;
}

}  // namespace tideway
