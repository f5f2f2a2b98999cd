#include "bench/common/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace bench {
namespace {

constexpr int kBits = Histogram::kPrecisionBits;

// Values below 2^(kBits + 1) have a bucket each; from there on, each doubling has 2^kBits buckets, twice as wide as those before.
double MiddleOf(size_t bucket) {
  const size_t octave = bucket >> kBits;
  if (octave <= 1) return static_cast<double>(bucket);
  const size_t shift = octave - 1;
  const uint64_t lowest = (bucket - (shift << kBits)) << shift;
  return static_cast<double>(lowest) + 0.5 * static_cast<double>((uint64_t{1} << shift) - 1);
}

}  // namespace

size_t Histogram::BucketOf(uint64_t value) {
  value = std::min(value, kValueMax);
  const int shift = std::max(static_cast<int>(std::bit_width(value)) - (kBits + 1), 0);
  return (static_cast<size_t>(shift) << kBits) + static_cast<size_t>(value >> shift);
}

uint64_t Histogram::count() const {
  return std::accumulate(counts_.begin(), counts_.end(), uint64_t{0});
}

double Histogram::Quantile(double share) const {
  const uint64_t all = count();
  if (all == 0) return 0;
  const auto rank = static_cast<uint64_t>(
      std::clamp(std::ceil(share * static_cast<double>(all)), 1.0, static_cast<double>(all)));
  uint64_t seen = 0;
  size_t bucket = 0;
  while ((seen += counts_[bucket]) < rank) ++bucket;
  return MiddleOf(bucket);
}

std::vector<std::pair<size_t, uint64_t>> Histogram::Filled() const {
  std::vector<std::pair<size_t, uint64_t>> filled;
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    if (counts_[bucket] > 0) filled.emplace_back(bucket, counts_[bucket]);
  }
  return filled;
}

bool Histogram::Add(size_t bucket, uint64_t count) {
  if (bucket >= counts_.size()) return false;
  counts_[bucket] += count;
  return true;
}

void Histogram::Merge(const Histogram& other) {
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    counts_[bucket] += other.counts_[bucket];
  }
}

}  // namespace bench
