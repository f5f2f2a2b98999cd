#include "compression/topk/select.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "compression/common/float_bits.h"

namespace tideway::compression {
namespace {

// The more values, the more buckets: clearing and reading them should cost less than counting.
constexpr int kDigitBitsMin = 6;
constexpr int kDigitBitsMax = 11;

// Magnitudes from `base` on, `span` above it at most, in buckets of 2^shift.
struct Range {
  uint32_t base;
  uint32_t span;
  int shift;
};

Range RangeOf(uint32_t base, uint32_t span, int digit_bits) {
  return {base, span, std::max(0, static_cast<int>(std::bit_width(span)) - digit_bits)};
}

Range FullRange(const float* values, size_t count, int digit_bits) {
  uint32_t least = kInfinityBits;
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    least = std::min(least, MagnitudeBits(values[i]));
    largest = std::max(largest, MagnitudeBits(values[i]));
  }
  return RangeOf(least, largest - least, digit_bits);
}

void Count(const float* values, size_t count, const Range& range, uint32_t* buckets) {
  std::fill_n(buckets, (range.span >> range.shift) + 1, 0u);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t above = MagnitudeBits(values[i]) - range.base;  // wraps for those below
    if (above <= range.span) ++buckets[above >> range.shift];
  }
}

// Leaves the first k of the order: those above the cut and its first ties.
void KeepSelected(const Cut& cut, Candidates* candidates) {
  size_t ties = cut.ties;
  size_t kept = 0;
  for (size_t i = 0; i < candidates->count; ++i) {
    const uint32_t magnitude = MagnitudeBits(candidates->values[i]);
    candidates->indices[kept] = candidates->indices[i];
    candidates->values[kept] = candidates->values[i];
    const bool tie = magnitude == cut.magnitude_bits && ties > 0;
    ties -= tie ? 1 : 0;
    kept += magnitude > cut.magnitude_bits || tie ? 1 : 0;
  }
  candidates->count = kept;
}

uint32_t KeepLargest(size_t k, Candidates* candidates) {
  const Cut cut = FindCut(candidates->values, candidates->count, k);
  KeepSelected(cut, candidates);
  return cut.magnitude_bits;
}

// Candidates for the k largest among all, at least those that reach the bound. When the room is
// used up, the k best so far stay, and of what follows only what is larger can still matter.
uint32_t ScanAll(const Pushed& pushed, size_t first, size_t last, size_t k, uint32_t bound,
                 Candidates* candidates) {
  uint32_t largest = 0;
  candidates->count = 0;
  for (;;) {
    first = ScanCandidates(pushed, first, last, bound, candidates, &largest);
    if (first == last || largest >= kInfinityBits) return largest;
    bound = KeepLargest(k, candidates) + 1;
  }
}

Candidates FreePart(const Candidates& all) {
  return {all.indices + all.count, all.values + all.count, all.capacity - all.count, 0};
}

}  // namespace

Cut FindCut(const float* values, size_t count, size_t k) {
  const int digit_bits =
      std::clamp(static_cast<int>(std::bit_width(count)), kDigitBitsMin, kDigitBitsMax);
  uint32_t buckets[size_t{1} << kDigitBitsMax];
  Range range = FullRange(values, count, digit_bits);
  for (size_t wanted = k;;) {  // of those in the range
    Count(values, count, range, buckets);
    uint32_t bucket = range.span >> range.shift;
    while (buckets[bucket] < wanted) wanted -= buckets[bucket--];
    const uint32_t base = range.base + (bucket << range.shift);
    if (range.shift == 0) return {base, wanted};
    range = RangeOf(base, (uint32_t{1} << range.shift) - 1, digit_bits);
  }
}

size_t SelectionRoom(size_t elements, size_t k) {
  constexpr size_t kSpareMin = 4096;
  return std::min(elements, k + std::max(3 * k, kSpareMin)) + kScanSlack;
}

uint32_t GuessBound(const Pushed& pushed, size_t first, size_t last, size_t k,
                    const Candidates& scratch) {
  constexpr size_t kRun = 64;  // more in a row cost little: far apart, each costs a page walk
  constexpr size_t kElementsPerRun = 8192;
  constexpr size_t kRunsMin = 4;
  constexpr double kDeviations = 4.0;
  Candidates sample = FreePart(scratch);
  const size_t elements = last - first;
  const size_t runs = std::min(elements / kElementsPerRun, (sample.capacity - kScanSlack) / kRun);
  if (runs < kRunsMin) return 0;
  uint32_t largest = 0;
  for (size_t run = 0; run < runs; ++run) {
    const size_t at = first + elements / runs * run;
    ScanCandidates(pushed, at, at + kRun, 0, &sample, &largest);
  }
  if (largest >= kInfinityBits) return 0;
  const double expected =
      static_cast<double>(sample.count) * static_cast<double>(k) / static_cast<double>(elements);
  const auto rank =
      static_cast<size_t>(expected + kDeviations * std::sqrt(expected) + 2 * kDeviations);
  return rank < sample.count ? FindCut(sample.values, sample.count, rank).magnitude_bits : 0;
}

uint32_t SelectLargest(const Pushed& pushed, size_t first, size_t last, size_t k, uint32_t* bound,
                       Candidates* selected) {
  Candidates found = FreePart(*selected);
  uint32_t largest = ScanAll(pushed, first, last, k, *bound, &found);
  if (largest >= kInfinityBits) return largest;
  if (found.count < k) largest = ScanAll(pushed, first, last, k, 0, &found);
  *bound = KeepLargest(k, &found);
  selected->count += found.count;
  return largest;
}

}  // namespace tideway::compression
