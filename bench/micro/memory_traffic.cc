#include "bench/micro/memory_traffic.h"

#include <algorithm>

#include "benchmark/benchmark.h"

namespace bench {
namespace {

// Of each array, one after the other: so many that the processor's prefetchers follow, so few that the pages stay known.
constexpr size_t kBlock = 4096;

// Like the raw programs' loop (bench/common/vectors.cc): as quick as this processor can, since it is what others are compared with.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define TIDEWAY_BENCH_BEST_INSTRUCTIONS \
  __attribute__((target_clones("avx512f", "avx2", "default"), noinline))
#else
#define TIDEWAY_BENCH_BEST_INSTRUCTIONS
#endif

TIDEWAY_BENCH_BEST_INSTRUCTIONS
float Sum(const float* floats, size_t elements) {
  // As many sums as keep the adder busy; one alone would be waited for and not the memory.
  constexpr size_t kSums = 32;
  float sums[kSums] = {};
  for (size_t i = 0; i + kSums <= elements; i += kSums) {
    for (size_t j = 0; j < kSums; ++j) sums[j] += floats[i + j];
  }
  float sum = 0;
  for (const float one : sums) sum += one;
  return sum;
}

TIDEWAY_BENCH_BEST_INSTRUCTIONS
void Update(float* floats, size_t elements) {
  for (size_t i = 0; i < elements; ++i) floats[i] += 1.0f;
}

}  // namespace

MemoryTraffic::MemoryTraffic(size_t fragments, size_t fragment_elements, size_t payload_bytes,
                             size_t arrays)
    : elements_(fragment_elements),
      payload_elements_(payload_bytes / sizeof(float)),
      payloads_(fragments * payload_elements_) {
  for (size_t i = 0; i < arrays; ++i) arrays_.emplace_back(fragments * elements_);
}

void MemoryTraffic::Touch(size_t fragment, size_t updated) {
  const float* const payload = payloads_.data() + fragment * payload_elements_;
  for (size_t at = 0; at < elements_; at += kBlock) {
    const size_t end = std::min(at + kBlock, elements_);
    const size_t read_at = at * payload_elements_ / elements_;
    const size_t read_end = end * payload_elements_ / elements_;
    benchmark::DoNotOptimize(Sum(payload + read_at, read_end - read_at));
    for (size_t i = 0; i < updated; ++i) {
      Update(arrays_[i].data() + fragment * elements_ + at, end - at);
    }
    benchmark::ClobberMemory();
  }
}

size_t MemoryTraffic::BytesOf(size_t updated) const {
  return sizeof(float) * (payload_elements_ + 2 * updated * elements_);
}

}  // namespace bench
