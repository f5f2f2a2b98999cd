// What repeated measurements say: their median, and how sure it is.
//
// A machine with neighbours has rounds that are far off, always in one direction; so nothing here assumes a normal distribution.
// The interval of a median is that between two of the sorted values: the true median lies outside of the k-th smallest and the k-th
// largest of n values with the probability 2 * P(Binomial(n, 1/2) < k), whatever the distribution (David and Nagaraja, Order
// Statistics, section 7.1).
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_STATISTICS_H_
#define TIDEWAY_BENCH_DRIVER_STATISTICS_H_

#include <vector>

namespace bench {

inline constexpr double kConfidence = 0.95;

struct Estimate {
  double median = 0;
  double low = 0;
  double high = 0;
  // The probability that the interval from low to high holds the true median: at least kConfidence where there are six values or
  // more; with fewer, the whole range is all that can be said, and this is what it is worth (0 for a single value).
  double confidence = 0;
};

// The narrowest interval of kConfidence. REQUIRES: a value.
Estimate MedianOf(std::vector<double> values);

// The same of values[i] / others[i], pairs that were measured one after the other. REQUIRES: as many of both, others > 0.
Estimate RatioOf(const std::vector<double>& values, const std::vector<double>& others);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_STATISTICS_H_
