// ServerCore: what all sessions of a server share, and what their frames do: fragments, workers, the schedule, events.
//
// Threads: thread-safe. Work on a fragment runs on the fragment's strand; everything else is short and runs where it is called.
// Lifetime: shared by the Server, its sessions and the tasks under way; after Stop it does nothing any more.

#ifndef TIDEWAY_CORE_SERVER_SERVER_CORE_H_
#define TIDEWAY_CORE_SERVER_SERVER_CORE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/runtime/stage_marks.h"
#include "core/runtime/strand.h"
#include "core/server/arrived_push.h"
#include "core/server/difference_codecs.h"
#include "core/server/exposed_area.h"
#include "core/server/fragment.h"
#include "core/server/leader.h"
#include "core/server/session.h"
#include "core/server/snapshot.h"
#include "core/server/worker_table.h"
#include "core/wire/control.h"
#include "tideway/server.h"

namespace tideway {

class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  // `snapshot` is where to go on from, or null for version 0 with `initial`.
  static absl::StatusOr<std::shared_ptr<ServerCore>> Create(Runtime* runtime, ServerOptions options,
                                                            const Layout& layout,
                                                            absl::Span<const float> initial,
                                                            const SnapshotContent* snapshot);
  ServerCore(Runtime* runtime, ServerOptions options, const Layout& layout);

  // --- for the Server ---
  void StartTimers();
  std::shared_ptr<Receiver> Accept(std::shared_ptr<Connection> connection);
  // What a client is told that asks for the paths to this server.
  void SetOffer(const wire::Offer& offer);
  void Stop();
  ServerStats stats() const;
  // Calls back on the executor with the content of all fragments, each as its strand left it.
  void Collect(absl::AnyInvocable<void(SnapshotContent)> done);
  // Collects, writes, and calls back with the snapshot's folder.
  void WriteSnapshot(absl::AnyInvocable<void(absl::StatusOr<std::string>)> done);

  // --- for sessions ---
  Executor& executor() { return runtime_->executor(); }
  BufferPool& pool() { return pool_; }
  void Log(LogLevel level, absl::string_view text) const { runtime_->Log(level, text); }

  void HandleHello(const std::shared_ptr<Session>& session, const wire::Hello& hello);
  // OK if `header` names a fragment of this server, with its size.
  absl::Status CheckFragment(const wire::FrameHeader& header) const;
  // A push begins to arrive; HandlePush or PushLost ends that.
  void PushArrives() { pushes_arriving_.fetch_add(1); }
  void PushLost() { pushes_arriving_.fetch_sub(1); }
  // For the times of a push that begins to arrive; off where nobody asks for them.
  StageMarks<ServerPushTimes> NewMarks() {
    return StageMarks<ServerPushTimes>(options_.on_push_times ? &executor() : nullptr);
  }
  void HandlePush(std::unique_ptr<ArrivedPush> push);
  void HandlePull(const std::shared_ptr<Session>& session, const wire::FrameHeader& header);
  void HandleRequest(const std::shared_ptr<Session>& session, uint64_t sequence,
                     const wire::ControlRequest& request);
  // `exposed`: it was offered one-sided pulls.
  void SessionClosed(uint64_t id, bool exposed);
  wire::Offer offer() const;
  void CountRefused() { sessions_refused_.fetch_add(1); }

 private:
  // Who reads one-sided leaves no trace at the server, but who finds nothing fresh asks. So a fragment that nobody asks for is
  // published after so many batches of pushes, and then no more: a server that is only pushed to does not copy for nobody.
  static constexpr int kPublishesAtFirst = 4;
  static constexpr int kPublishesPerAsk = 64;

  struct Slot {
    Slot(Executor* executor, std::unique_ptr<Fragment> f)
        : strand(executor), fragment(std::move(f)) {}
    Strand strand;
    std::unique_ptr<Fragment> fragment;
    std::atomic<bool> publish_posted{false};
    std::atomic<int> publishes_left{kPublishesAtFirst};  // of itself, until somebody asks again
  };

  absl::Status Configure();
  absl::Status MakeFragments(absl::Span<const float> initial, const SnapshotContent* snapshot);
  absl::Status CheckHello(const wire::Hello& hello) const;
  absl::StatusOr<std::vector<std::unique_ptr<Codec>>> CodecsUp(const wire::Hello& hello) const;
  absl::StatusOr<Session::Identity> Identify(const std::shared_ptr<Session>& session,
                                             const wire::Hello& hello);
  // Settles whether pulls travel as differences, and says so in the welcome.
  void OfferDifferences(const wire::Hello& hello, Session::Identity& identity,
                        wire::Welcome& welcome);
  absl::Status AdmitWorker(const std::shared_ptr<Session>& session, const wire::Hello& hello,
                           Session::Identity& identity);
  // Adds to the welcome what the client needs to pull without asking, if that can be had. May take long.
  void OfferOneSided(Session& session, wire::Welcome& welcome);
  // The memory that clients may read, made when it is first asked for. An error is logged once, and stays.
  absl::StatusOr<std::shared_ptr<ExposedArea>> Area();
  // Publishes the newest version once the pushes that wait have been applied, if somebody may read it by himself.
  void PublishSoon(Slot& slot);
  // Retires that life of the worker and frees its assignment. False if it had ended already.
  bool EndLife(Worker& worker, uint64_t incarnation, absl::string_view why);
  void ForgetWorker(uint64_t worker);
  std::vector<std::shared_ptr<Session>> Sessions() const;
  std::vector<std::shared_ptr<Session>> SessionsOf(const Worker& worker) const;

  void HandleShare(const std::shared_ptr<Session>& session, uint64_t sequence,
                   const wire::ShareRequest& share);
  void ApplyPush(Slot& slot, ArrivedPush& push);
  void TellTimes(const Worker& worker, const wire::FrameHeader& header,
                 const Fragment::PushOutput& output, ServerPushTimes& times);
  void CountPush(const Fragment::PushOutput& output);
  void AnswerPull(const std::shared_ptr<Session>& session, const wire::FrameHeader& header,
                  std::shared_ptr<Published> published);
  // On the fragment's strand.
  void AnswerByDifferences(Slot& slot, const std::shared_ptr<Session>& session,
                           const wire::FrameHeader& header);
  void EmitPublish(const Session& session, const wire::FrameHeader& header, uint64_t version);
  void HandleAssignment(const std::shared_ptr<Session>& session, uint64_t sequence,
                        const wire::AssignmentRequest& request);
  void HandleSnapshot(const std::shared_ptr<Session>& session, uint64_t sequence);
  void CheckLeases();
  void Arm(absl::Duration period, void (ServerCore::*task)());
  void SnapshotOnTime();
  void Emit(ServerEvent event);

  Slot& slot(uint32_t fragment) { return *slots_[slot_of_.at(fragment)]; }

  Runtime* const runtime_;
  const ServerOptions options_;
  const Layout layout_;
  const absl::Time started_;
  BufferPool pool_;
  DifferenceCodecs difference_codecs_;
  std::unique_ptr<OuterOptimizer> optimizer_;
  std::unique_ptr<optim::StalenessPolicy> staleness_;
  std::vector<std::unique_ptr<Slot>> slots_;       // immutable after Create
  absl::flat_hash_map<uint32_t, size_t> slot_of_;  // by fragment id; immutable after Create
  std::shared_ptr<Leader> leader_;                 // null unless this server leads
  WorkerTable workers_;
  std::unique_ptr<SnapshotFolder> snapshots_;  // null: refused
  std::atomic<bool> snapshot_running_{false};

  std::atomic<bool> stopped_{false};
  std::atomic<size_t> pushes_arriving_{0};
  std::atomic<uint64_t> outer_steps_{0};
  std::atomic<uint64_t> buffered_{0};
  std::atomic<uint64_t> rejected_{0};
  std::atomic<uint64_t> duplicates_{0};
  std::atomic<uint64_t> sessions_refused_{0};
  std::atomic<uint64_t> staleness_bins_[kStalenessBins] = {};

  std::atomic<int> one_sided_sessions_{0};
  absl::Mutex area_mutex_;
  std::optional<absl::StatusOr<std::shared_ptr<ExposedArea>>> area_ ABSL_GUARDED_BY(area_mutex_);

  mutable absl::Mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Session>> sessions_ ABSL_GUARDED_BY(mutex_);
  wire::Offer offer_ ABSL_GUARDED_BY(mutex_);
  absl::Mutex event_mutex_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_SERVER_CORE_H_
