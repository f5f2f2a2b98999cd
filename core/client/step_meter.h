// StepMeter: what a worker tells of its own training: time spent computing and waiting, speed, a smoothed loss.
//
// The time between two calls into the library is the trainer's: busy. Time blocked inside is waiting.
//
// Threads: the training thread only.

#ifndef TIDEWAY_CORE_CLIENT_STEP_METER_H_
#define TIDEWAY_CORE_CLIENT_STEP_METER_H_

#include <cstdint>

#include "absl/time/time.h"
#include "tideway/client.h"
#include "tideway/stats.h"

namespace tideway {

class StepMeter {
 public:
  // The library gives the thread back to the trainer.
  void Resume(absl::Time now) { busy_since_ = now; }
  // The trainer comes back with an inner step done.
  void Step(absl::Time now, double loss, uint64_t tokens);
  void Exchanged(const ResidualStats& residual) {
    status_.residual_norm = residual.norm;
    status_.residual_density = residual.density;
  }
  void Waited(absl::Duration span) { status_.waiting_seconds += absl::ToDoubleSeconds(span); }

  const WorkerStatus& status() const { return status_; }

  // Busy seconds since the last call of this method.
  double TakeBusySeconds();

 private:
  WorkerStatus status_;
  absl::Time busy_since_;
  double busy_seconds_taken_ = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_STEP_METER_H_
