// Which data shard a worker gets next (Liu et al., arXiv 2401.09135): shards that were learned less
// than their share are drawn more often, so that fast workers don't pull the model towards their
// own data.

#ifndef TIDEWAY_CORE_OPTIM_SHARD_SAMPLER_H_
#define TIDEWAY_CORE_OPTIM_SHARD_SAMPLER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace tideway::optim {

// p_i = max(size_i / sum size - learned_i / sum learned, 0), scaled to sum 1. Where that says
// nothing:
//   nothing is learned yet, or every shard has exactly its share: p_i = size_i / sum size;
//   all sizes are zero: every shard counts as size 1.
// REQUIRES: sizes.size() == learned.size() >= 1.
std::vector<double> ShardProbabilities(absl::Span<const uint64_t> sizes,
                                       absl::Span<const uint64_t> learned);

// The shard that a uniform `random` number stands for. A shard of probability zero is never drawn.
size_t DrawShard(absl::Span<const double> probabilities, uint64_t random);

}  // namespace tideway::optim

#endif  // TIDEWAY_CORE_OPTIM_SHARD_SAMPLER_H_
