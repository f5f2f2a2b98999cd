// Scheduler: which worker trains how many inner steps on which data shard, and when the next round of it begins. The methods
// differ here and nowhere else.
//
// A worker that arrives waits in the window, which its first arrival opens. All who wait when it closes are released together
// with the same window number, which stands for the parameters that they start from:
//
//   async   closes when every active worker has arrived, or at its deadline (grace.h); without grace at once
//   sync    closes when the quorum (by default every active worker) has arrived, or at the time-out
//
// The life of a worker:
//
//   from                        event                      action                                        to
//   --------------------------  -------------------------  --------------------------------------------  --------
//   absent                      Join                       -                                             ready
//   ready                       Poll, run has begun        assignment of the newest window               training
//   training                    Arrive                     settle steps, observe pace, open the window   waiting
//   waiting                     Poll, window closes        assignment of the new window                  training
//   ready, waiting              release, target reached    told that the run is finished                 finished
//   any but absent              Leave                      steps on the way are free for others          absent
//   any but absent              Join (a new incarnation)   as Leave, then Join                           ready
//   absent                      Arrive                     NOT_FOUND                                     absent
//   ready, waiting, finished    Arrive                     FAILED_PRECONDITION                           same
//
// The run begins when options.workers_to_begin have joined; from then on a newcomer starts at the next Poll and waits for no
// window. A worker that leaves keeps its pace for its return, but not its place.
//
// Alignment. With DyLU all cycles last about equally long, so workers that are out of phase would stay so and meet in no
// window. So a group that is released while at least as many others are on the way gets only so many steps as fit until the
// first of those is expected, and meets them there. (Async with grace and DyLU only.)
//
// A plain state machine: no clock, no threads, no I/O; the time is an argument and must not run backwards. The same calls give
// the same releases. Not thread-safe.
//
//   scheduler.Arrive(worker, {50, 29.0}, now);
//   for (const Release& release : scheduler.Poll(now)) Send(release);
//   timer.Set(scheduler.NextDeadline());   // Poll again then

#ifndef TIDEWAY_CORE_OPTIM_SCHEDULER_H_
#define TIDEWAY_CORE_OPTIM_SCHEDULER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/optim/grace.h"
#include "core/optim/pace.h"
#include "core/optim/shard_ledger.h"
#include "tideway/assignment.h"
#include "tideway/server.h"

namespace tideway::optim {

inline constexpr uint32_t kInnerStepsMax = 1 << 24;
inline constexpr uint64_t kInnerStepsTotalMax = uint64_t{1} << 52;  // exact in a double
inline constexpr size_t kSchedulerWorkersMax = 2 * kSessionsMax;    // present or remembered

struct Release {
  uint64_t worker = 0;
  Assignment assignment;
};

// What a checkpoint keeps. Assignments on the way are not part of it: after a restart every worker joins again.
struct SchedulerState {
  struct WorkerPace {
    uint64_t worker = 0;
    Pace pace;
  };

  uint64_t window = 0;
  uint64_t draws = 0;  // random numbers used
  std::optional<absl::Duration> spread;
  std::vector<uint64_t> learned;  // inner steps per shard
  std::vector<WorkerPace> paces;  // by worker id
};

struct SchedulerStats {
  uint64_t window = 0;   // windows closed
  uint32_t active = 0;   // ready, training or waiting
  uint32_t waiting = 0;  // arrivals in the open window
  uint64_t steps_learned = 0;
  uint64_t steps_on_the_way = 0;
  uint64_t steps_total = 0;  // 0: endless
  bool finished = false;     // the target is learned
  std::optional<absl::Duration> spread;
  absl::Duration grace;          // planned length of the window that is open, or was last
  absl::Duration window_length;  // first arrival to close, of the window closed last
};

class Scheduler {
 public:
  // INVALID_ARGUMENT, naming the option, for options that can't work.
  static absl::StatusOr<Scheduler> Create(SchedulingOptions options);

  // RESOURCE_EXHAUSTED with kSchedulerWorkersMax workers present.
  absl::Status Join(uint64_t worker, absl::Time now);
  // The lease is lost or given back. No-op for a worker that is absent.
  void Leave(uint64_t worker, absl::Time now);
  // Steps beyond the assignment's are not counted. An error (see the table) changes nothing.
  absl::Status Arrive(uint64_t worker, const Arrival& arrival, absl::Time now);

  // Whoever may start now, in the order of joining and arriving (sync: of ids). Call it after every event and at NextDeadline.
  std::vector<Release> Poll(absl::Time now);
  // When Poll has something to do if no event comes before: InfinitePast for now, InfiniteFuture for never.
  absl::Time NextDeadline() const;

  SchedulerState State() const;
  // On a fresh scheduler only. FAILED_PRECONDITION for a state of other data shards; INVALID_ARGUMENT for one that can't be.
  absl::Status Restore(const SchedulerState& state);

  SchedulerStats stats() const;
  uint32_t active_workers() const { return static_cast<uint32_t>(Active()); }
  // Null for a worker that is unknown.
  const Pace* pace(uint64_t worker) const;
  // Null for a worker that is not training.
  const Assignment* assignment(uint64_t worker) const;

 private:
  enum class Phase { kAbsent, kReady, kTraining, kWaiting, kFinished };

  struct Worker {
    Phase phase = Phase::kAbsent;
    Pace pace;
    // While training:
    Assignment assignment;
    absl::Time released;
    std::optional<absl::Time> expected;  // arrival; nothing where the speed was unknown
    bool whole = false;                  // of full length: neither aligned nor clipped
  };

  explicit Scheduler(SchedulingOptions options);

  size_t Active() const { return ready_.size() + training_ + waiting_.size(); }
  bool async() const { return options_.method == SchedulingOptions::Method::kAsync; }
  bool dylu() const { return async() && options_.dylu; }
  bool EverybodyNeededArrived() const;
  absl::Status MakeRoom();
  void OpenWindow(const Worker& opener, absl::Time now);
  absl::Duration Cycle(absl::Duration fallback) const;
  double SpeedMax() const;
  // How long a group of `size` may train so as to meet the others.
  absl::Duration TimeToMeetOthers(size_t size, absl::Time now) const;
  void ReleaseAll(std::vector<uint64_t> workers, absl::Time now, std::vector<Release>& releases);
  Assignment Assign(Worker& worker, absl::Duration time_max, absl::Time now);
  uint64_t OldestWindowOnTheWay() const;
  uint64_t Random();

  SchedulingOptions options_;
  ShardLedger ledger_;
  ArrivalSpread spread_;
  std::map<uint64_t, Worker> workers_;  // ordered: decisions must not depend on hashing
  std::vector<uint64_t> ready_;         // in the order of joining
  std::vector<uint64_t> waiting_;       // in the order of arriving
  size_t training_ = 0;
  bool begun_ = false;
  uint64_t window_ = 0;
  uint64_t draws_ = 0;
  absl::Time opened_;  // the window's; while anybody waits
  absl::Time closes_;
  absl::Duration grace_;
  absl::Duration window_length_;
};

}  // namespace tideway::optim

#endif  // TIDEWAY_CORE_OPTIM_SCHEDULER_H_
