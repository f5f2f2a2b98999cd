#include "core/optim/shard_sampler.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace tideway::optim {
namespace {

double Sum(absl::Span<const uint64_t> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

}  // namespace

std::vector<double> ShardProbabilities(absl::Span<const uint64_t> sizes,
                                       absl::Span<const uint64_t> learned) {
  assert(!sizes.empty() && sizes.size() == learned.size());
  const double sizes_sum = Sum(sizes), learned_sum = Sum(learned);
  const double uniform = 1.0 / static_cast<double>(sizes.size());
  std::vector<double> shares(sizes.size(), uniform);
  if (sizes_sum > 0) {
    for (size_t i = 0; i < sizes.size(); ++i) shares[i] = static_cast<double>(sizes[i]) / sizes_sum;
  }
  if (learned_sum == 0) return shares;
  std::vector<double> missing(sizes.size());
  double missing_sum = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    missing[i] = std::max(shares[i] - static_cast<double>(learned[i]) / learned_sum, 0.0);
    missing_sum += missing[i];
  }
  if (missing_sum <= 0) return shares;
  for (double& p : missing) p /= missing_sum;
  return missing;
}

size_t DrawShard(absl::Span<const double> probabilities, uint64_t random) {
  // 53 bits fill a double in [0, 1).
  double rest = static_cast<double>(random >> 11) * 0x1p-53;
  size_t last = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    if (probabilities[i] <= 0) continue;
    if (rest < probabilities[i]) return i;
    rest -= probabilities[i];
    last = i;
  }
  return last;  // rounding left a crumb
}

}  // namespace tideway::optim
