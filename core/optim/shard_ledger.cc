#include "core/optim/shard_ledger.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <utility>

#include "core/optim/shard_sampler.h"

namespace tideway::optim {

ShardLedger::ShardLedger(std::vector<uint64_t> sizes, uint64_t steps_total)
    : sizes_(sizes.empty() ? std::vector<uint64_t>{1} : std::move(sizes)),
      steps_total_(steps_total),
      learned_(sizes_.size(), 0),
      taken_(sizes_.size(), 0) {
  // With nothing learned the probabilities are the shards' parts.
  for (double part : ShardProbabilities(sizes_, learned_)) {
    steps_of_shard_.push_back(part * static_cast<double>(steps_total_));
  }
}

std::optional<Assignment> ShardLedger::Take(uint32_t steps, uint64_t random) {
  if (steps_total_ != 0) {
    const uint64_t left = steps_total_ - std::min(taken_sum_, steps_total_);
    steps = static_cast<uint32_t>(std::min<uint64_t>(steps, left));
    if (steps == 0) return std::nullopt;
  }
  const size_t shard = DrawShard(ShardProbabilities(sizes_, taken_), random);
  Assignment assignment;
  assignment.inner_steps = steps;
  assignment.shard = static_cast<uint32_t>(shard);
  assignment.shard_step = taken_[shard];
  if (steps_of_shard_[shard] > 0) {
    const double begin = static_cast<double>(taken_[shard]) / steps_of_shard_[shard];
    assignment.progress_begin = std::min(begin, 1.0);
    assignment.progress_per_step = 1.0 / steps_of_shard_[shard];
  }
  taken_[shard] += steps;
  taken_sum_ += steps;
  return assignment;
}

void ShardLedger::Settle(const Assignment& assignment, uint32_t steps_done) {
  assert(steps_done <= assignment.inner_steps);
  const uint64_t back = assignment.inner_steps - steps_done;
  taken_[assignment.shard] -= back;
  taken_sum_ -= back;
  learned_[assignment.shard] += steps_done;
  learned_sum_ += steps_done;
}

void ShardLedger::Restore(const std::vector<uint64_t>& learned) {
  assert(learned.size() == sizes_.size());
  learned_ = learned;
  taken_ = learned;
  learned_sum_ = std::accumulate(learned.begin(), learned.end(), uint64_t{0});
  taken_sum_ = learned_sum_;
}

}  // namespace tideway::optim
