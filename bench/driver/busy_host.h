// BusyHost: a simulated host whose processor takes time for what it does, as a view of a SimExecutor.
//
// Time stands still while a SimExecutor's task runs. Here a task may say that it takes a while (Spend): for the rest of it Now() is
// later by that, what it posts comes later, and one of the host's cores is taken until then; a task that finds no core free waits for
// one. So what encoding and decoding cost can be weighed against what a link costs, in virtual time and the same in every run.
//
// It is exact where tasks that run at the same time share nothing. Tasks that do (the state of a client, say) are run in the order in
// which they begin, so one may see what another one does up to its own length later.
//
// Threads: as SimExecutor: one. Several hosts share one SimExecutor, which outlives them.

#ifndef TIDEWAY_BENCH_DRIVER_BUSY_HOST_H_
#define TIDEWAY_BENCH_DRIVER_BUSY_HOST_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/time/time.h"
#include "tideway/executor.h"
#include "tideway/sim_executor.h"

namespace bench {

class BusyHost final : public tideway::Executor {
 public:
  // REQUIRES: cores > 0.
  BusyHost(tideway::SimExecutor* simulation, size_t cores)
      : simulation_(simulation), free_at_(cores, absl::InfinitePast()) {}
  ~BusyHost() override { Stop(); }

  // The running task takes so long, beside what it took already.
  void Spend(absl::Duration time);
  // What all tasks have taken.
  absl::Duration spent() const { return spent_; }

  absl::Time Now() const override { return simulation_->Now() + ahead_; }
  uint64_t Random() override { return simulation_->Random(); }
  bool in_virtual_time() const override { return true; }
  void Post(tideway::Task task) override { PostAt(Now(), std::move(task)); }
  tideway::TimerId PostAt(absl::Time when, tideway::Task task) override;
  bool Cancel(tideway::TimerId timer) override;
  void Stop() override;

 private:
  struct Waiting {
    tideway::Task task;
    tideway::TimerId in_simulation;
  };

  void Schedule(tideway::TimerId timer, absl::Time when);
  void Run(tideway::TimerId timer);

  tideway::SimExecutor* const simulation_;
  std::vector<absl::Time> free_at_;  // by core
  absl::Duration ahead_;             // of the simulation: what the running task took
  absl::Duration spent_;
  bool stopped_ = false;
  tideway::TimerId next_ = 1;
  std::map<tideway::TimerId, Waiting> waiting_;
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_BUSY_HOST_H_
