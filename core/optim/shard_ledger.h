// ShardLedger: who learns what: the inner steps learned in each data shard and those on the way, and from them the next
// shard, its schedule progress, and when the run's target is reached.
//
// The learning-rate schedule belongs to the shard: its progress is the steps taken in the shard over the shard's part
// (by size) of the run's target. Steps on the way count as taken, so that two workers in one shard get different data and
// the last assignments are clipped instead of overshooting.

#ifndef TIDEWAY_CORE_OPTIM_SHARD_LEDGER_H_
#define TIDEWAY_CORE_OPTIM_SHARD_LEDGER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "tideway/assignment.h"

namespace tideway::optim {

class ShardLedger {
 public:
  // No sizes: one shard. steps_total 0: endless, without schedule progress.
  ShardLedger(std::vector<uint64_t> sizes, uint64_t steps_total);

  // An assignment of up to `steps` in a shard drawn with `random`; its window is left to the caller. Nothing where all
  // steps of the target are learned or on the way.
  std::optional<Assignment> Take(uint32_t steps, uint64_t random);

  // The end of an assignment that Take gave: `steps_done` of its steps were learned, the others are free again.
  void Settle(const Assignment& assignment, uint32_t steps_done);

  uint64_t steps_learned() const { return learned_sum_; }
  uint64_t steps_on_the_way() const { return taken_sum_ - learned_sum_; }
  uint64_t steps_total() const { return steps_total_; }

  // Steps learned per shard, for checkpoints. Restoring forgets what is on the way; the length must match.
  const std::vector<uint64_t>& learned() const { return learned_; }
  void Restore(const std::vector<uint64_t>& learned);

 private:
  std::vector<uint64_t> sizes_;
  uint64_t steps_total_;
  std::vector<double> steps_of_shard_;  // the shard's part of steps_total
  std::vector<uint64_t> learned_;
  std::vector<uint64_t> taken_;  // learned or on the way
  uint64_t learned_sum_ = 0;
  uint64_t taken_sum_ = 0;
};

}  // namespace tideway::optim

#endif  // TIDEWAY_CORE_OPTIM_SHARD_LEDGER_H_
