// Learning rate of the inner optimizer as a function of schedule progress.
//
// Progress runs from 0 to 1 and belongs to a data shard, not to a worker: the server hands it out
// with each assignment, so a shard that moves to another worker goes on where it was.
#ifndef TIDEWAY_TRAINER_SCHEDULE_H_
#define TIDEWAY_TRAINER_SCHEDULE_H_

namespace tideway::trainer {

struct Schedule {
  double peak = 4e-3;
  double final_ratio = 0.1;     // of the peak; above zero, so that a late push still learns
  double warmup_share = 0.025;  // of the schedule
};

// Linear warm-up, then half a cosine down to peak * final_ratio. Progress is clamped to [0, 1].
double LearningRate(const Schedule& schedule, double progress);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_SCHEDULE_H_
