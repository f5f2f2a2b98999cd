// WorkerTable: who the workers are: names, incarnations, leases, and what each has done.
//
// A worker is a name. One life of it is an incarnation; a newer one takes its place and fences the older: what the older still
// sends is refused. A worker that is silent for longer than the lease is expired: it is no longer counted as active, and that
// incarnation is fenced too.
//
// Transitions of a worker:
//   from      event                                    action                               to
//   (none)    hello                                    create                               active
//   active    hello, same incarnation                  resume (connection was lost)         active
//   active    hello, new incarnation                   retire the old one                   active
//   active    leave                                    retire                               inactive
//   active    silent for longer than the lease         retire                               inactive
//   inactive  hello, new incarnation                                                        active
//   any       hello, retired incarnation               refuse: FAILED_PRECONDITION          (same)
//
// Threads: thread-safe.

#ifndef TIDEWAY_CORE_SERVER_WORKER_TABLE_H_
#define TIDEWAY_CORE_SERVER_WORKER_TABLE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/wire/frame.h"
#include "tideway/stats.h"

namespace tideway {

inline constexpr size_t kStalenessBins = 65;  // 0..63, and everything beyond

class Worker {
 public:
  Worker(uint64_t id, std::string name) : id_(id), name_(std::move(name)) {}

  uint64_t id() const { return id_; }
  const std::string& name() const { return name_; }
  uint64_t incarnation() const { return incarnation_.load(std::memory_order_acquire); }
  bool active() const { return active_.load(std::memory_order_acquire); }

  void Touch(absl::Time now) { last_seen_ns_.store(absl::ToUnixNanos(now)); }
  absl::Time last_seen() const { return absl::FromUnixNanos(last_seen_ns_.load()); }

  void SetStatus(const WorkerStatus& status, std::string transport, uint64_t transport_switches);
  void CountPush(wire::Verdict verdict, bool duplicate, uint64_t staleness, uint64_t bytes,
                 uint64_t bytes_fp32);
  void CountPull(uint64_t bytes, uint64_t bytes_fp32);
  WorkerStats stats() const;

 private:
  friend class WorkerTable;

  const uint64_t id_;
  const std::string name_;
  std::atomic<uint64_t> incarnation_{0};
  std::atomic<bool> active_{false};
  std::atomic<int64_t> last_seen_ns_{0};
  std::deque<uint64_t> retired_;  // guarded by the table's mutex

  mutable absl::Mutex mutex_;
  WorkerStats stats_ ABSL_GUARDED_BY(mutex_);
  double staleness_sum_ ABSL_GUARDED_BY(mutex_) = 0;
};

class WorkerTable {
 public:
  struct Admission {
    std::shared_ptr<Worker> worker;
    bool resumed = false;   // same incarnation: only the connection is new
    bool replaced = false;  // another incarnation was active until now
  };

  // FAILED_PRECONDITION for a retired incarnation, RESOURCE_EXHAUSTED for one active worker too many. `forgotten` gets the id of a
  // worker whose name made room, or 0.
  absl::StatusOr<Admission> Admit(const std::string& name, uint64_t incarnation, absl::Time now,
                                  uint64_t* forgotten);

  // Ends the worker's life if `incarnation` is still its current one. True if it was active.
  bool Retire(Worker& worker, uint64_t incarnation);

  // Active workers not seen since `deadline`.
  std::vector<std::shared_ptr<Worker>> SilentSince(absl::Time deadline) const;

  uint32_t active_count() const { return active_count_.load(std::memory_order_acquire); }
  std::vector<WorkerStats> stats() const;

  // What a snapshot keeps: dedup windows refer to workers by id.
  struct Record {
    uint64_t id = 0;
    std::string name;
    uint64_t incarnation = 0;
    std::vector<uint64_t> retired;
  };
  std::vector<Record> Export() const;
  // Recovered workers are inactive until they say hello, with the same incarnation or a new one. REQUIRES: the table is empty.
  void Restore(const std::vector<Record>& records);

 private:
  std::shared_ptr<Worker> MakeRoomAndCreate(const std::string& name, uint64_t* forgotten)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RetireLocked(Worker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<Worker>> by_name_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::atomic<uint32_t> active_count_{0};
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_WORKER_TABLE_H_
