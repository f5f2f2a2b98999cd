#include "bench/driver/statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <utility>

namespace bench {

Estimate MedianOf(std::vector<double> values) {
  assert(!values.empty());
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  Estimate estimate = {.median = (values[(n - 1) / 2] + values[n / 2]) / 2,
                       .low = values.front(),
                       .high = values.back()};
  // outside = 2 * P(Binomial(n, 1/2) <= k), term by term.
  double term = std::exp2(-static_cast<double>(n));
  double outside = 2 * term;
  estimate.confidence = std::max(0.0, 1 - outside);
  for (size_t k = 1; 2 * k < n; ++k) {
    term *= static_cast<double>(n - k + 1) / static_cast<double>(k);
    outside += 2 * term;
    if (1 - outside < kConfidence) break;
    estimate = {estimate.median, values[k], values[n - 1 - k], 1 - outside};
  }
  return estimate;
}

Estimate RatioOf(const std::vector<double>& values, const std::vector<double>& others) {
  assert(values.size() == others.size());
  std::vector<double> ratios(values.size());
  std::transform(values.begin(), values.end(), others.begin(), ratios.begin(),
                 [](double value, double other) { return value / other; });
  return MedianOf(std::move(ratios));
}

}  // namespace bench
