// PublisherCore: what all sessions of one publisher share.
//
// Sessions live on one strand: they only hand out what is encoded already, so one is enough. Publish runs on the caller's thread
// and then wakes them.
//
// Every task and every session holds a reference; so the core is there until the last one is gone.

#ifndef TIDEWAY_CORE_SYNC_PUBLISHER_CORE_H_
#define TIDEWAY_CORE_SYNC_PUBLISHER_CORE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "core/runtime/strand.h"
#include "core/sync/chunk_table.h"
#include "core/sync/version_store.h"
#include "tideway/buffer.h"
#include "tideway/codec.h"
#include "tideway/publisher.h"
#include "tideway/runtime.h"

namespace tideway::sync {

class PublisherSession;

class PublisherCore final : public std::enable_shared_from_this<PublisherCore> {
 public:
  // See Publisher::Start.
  static absl::StatusOr<std::shared_ptr<PublisherCore>> Create(Runtime* runtime,
                                                               const PublisherOptions& options,
                                                               const WeightLayout& layout);

  // Any thread.
  void Start();
  std::shared_ptr<Receiver> Accept(std::shared_ptr<Connection> connection);
  absl::StatusOr<PublishReport> Publish(uint64_t version, absl::Span<const WeightView> weights);
  PublisherStats stats() const;
  void Stop();

  // For sessions.
  uint64_t epoch() const { return epoch_; }
  const PublisherOptions& options() const { return options_; }
  const ChunkTable& table() const { return *table_; }
  const Codec& codec() const { return *codec_; }
  VersionStore& store() { return store_; }
  BufferPool& pool() { return pool_; }
  absl::Time Now() const { return runtime_->executor().Now(); }
  void Log(LogLevel level, absl::string_view text) const { runtime_->Log(level, text); }
  void OnStrand(Task task);
  // Runs `task` on the strand after so long.
  void After(absl::Duration delay, Task task);

  void Forget(uint64_t session);

  // On the strand, from sessions.
  void Sent(size_t bytes) { bytes_sent_ += bytes; }
  void Began(bool whole) { ++(whole ? wholes_sent_ : chains_sent_); }
  void Refused() { ++refused_; }
  // An anchor was dropped: who waits for one may go on.
  void ServeWaiting();

 private:
  PublisherCore(Runtime* runtime, const PublisherOptions& options,
                std::shared_ptr<const ChunkTable> table, std::shared_ptr<const Codec> codec,
                std::unique_ptr<Master> master);
  std::vector<std::shared_ptr<PublisherSession>> Sessions() const;
  // Looks after sessions that are silent, over and over.
  void ArmTimer();
  void CheckSessions();

  Runtime* const runtime_;
  const PublisherOptions options_;
  const uint64_t epoch_;
  const std::shared_ptr<const ChunkTable> table_;
  const std::shared_ptr<const Codec> codec_;
  VersionStore store_;
  BufferPool pool_;
  Strand strand_;
  std::atomic<bool> stopped_{false};

  std::atomic<uint64_t> chains_sent_{0};
  std::atomic<uint64_t> wholes_sent_{0};
  std::atomic<uint64_t> bytes_sent_{0};
  std::atomic<uint64_t> refused_{0};

  mutable absl::Mutex mutex_;
  uint64_t last_session_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::shared_ptr<PublisherSession>> sessions_ ABSL_GUARDED_BY(mutex_);
  TimerId timer_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t versions_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t bytes_encoded_ ABSL_GUARDED_BY(mutex_) = 0;
  double seconds_encoding_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_PUBLISHER_CORE_H_
