// Histogram: how often each duration came, in memory that doesn't grow, as HdrHistogram does it: values are told apart to 1 part in
// 256 whatever their size, so quantiles are off by 0.2 % at most.
//
//   Histogram histogram;
//   histogram.Record(57'300);            // nanoseconds
//   histogram.Quantile(0.999);
//
// Counts of several repetitions, processes or machines add up: a quantile of the sum is what all of them had, which no mean of their
// quantiles is.
//
// Threads: a plain value.

#ifndef TIDEWAY_BENCH_COMMON_HISTOGRAM_H_
#define TIDEWAY_BENCH_COMMON_HISTOGRAM_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bench {

class Histogram {
 public:
  static constexpr int kPrecisionBits = 8;
  static constexpr uint64_t kValueMax =
      (uint64_t{1} << 42) - 1;  // 73 minutes; what is more counts as that
  static constexpr size_t kBuckets =
      (size_t{42 - kPrecisionBits} << kPrecisionBits) + (size_t{1} << kPrecisionBits);

  Histogram() : counts_(kBuckets, 0) {}

  void Record(uint64_t value_ns) { ++counts_[BucketOf(value_ns)]; }

  uint64_t count() const;
  // The middle of the bucket that holds the smallest value which `share` of all values don't exceed. 0 where there are none.
  double Quantile(double share) const;

  // Buckets that hold something, and how much, in order: to send them elsewhere.
  std::vector<std::pair<size_t, uint64_t>> Filled() const;
  // False for a bucket that there isn't.
  bool Add(size_t bucket, uint64_t count);
  void Merge(const Histogram& other);

 private:
  static size_t BucketOf(uint64_t value);

  std::vector<uint64_t> counts_;
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_COMMON_HISTOGRAM_H_
