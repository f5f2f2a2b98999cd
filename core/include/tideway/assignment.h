// Assignment: what the leading server tells a worker to do next, and what a worker tells it in return.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_ASSIGNMENT_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_ASSIGNMENT_H_

#include <cstdint>

namespace tideway {

struct Assignment {
  // The grace window after which this assignment was released. All workers of one window start from the same
  // parameters: they pull with this number.
  uint64_t window = 0;
  uint32_t inner_steps = 0;   // H, or DyLU's share of it
  uint32_t shard = 0;         // data shard to draw from
  uint64_t shard_step = 0;    // inner steps already learned in that shard: where sampling goes on
  double progress_begin = 0;  // of the shard's learning-rate schedule, in [0, 1]
  double progress_per_step = 0;
  bool finished = false;  // the run's target is reached: no more steps
};

// A worker's report at the end of an assignment.
struct Arrival {
  uint32_t inner_steps = 0;  // steps taken
  double busy_seconds = 0;   // time spent in them, without waiting
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_ASSIGNMENT_H_
