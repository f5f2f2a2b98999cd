#include "bench/common/vectors.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace bench {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr size_t kPeriod = 5;

}  // namespace

void Vector::Free::operator()(float* memory) const { std::free(memory); }

Vector::Vector(size_t elements) : elements_(elements) {
  const size_t pages = (elements * sizeof(float) + kHugePageBytes - 1) / kHugePageBytes;
  const size_t bytes = std::max<size_t>(pages, 1) * kHugePageBytes;
  void* memory = std::aligned_alloc(kHugePageBytes, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  (void)madvise(memory, bytes, MADV_HUGEPAGE);
  floats_.reset(static_cast<float*>(memory));
  std::fill_n(floats_.get(), bytes / sizeof(float), 0.0f);
}

void FillPattern(std::span<float> floats) {
  for (size_t i = 0; i < floats.size(); ++i) floats[i] = static_cast<float>(1 + i % kPeriod);
}

bool IsPattern(std::span<const float> floats, double times) {
  for (size_t i = 0; i < floats.size(); ++i) {
    if (static_cast<double>(floats[i]) != times * static_cast<double>(1 + i % kPeriod)) {
      return false;
    }
  }
  return true;
}

// One loop for all instruction sets, chosen when the program starts: a raw program is to be as quick as it can be.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
void Add(const float* delta, size_t elements, float* sum) {
  const float* __restrict from = delta;
  float* __restrict to = sum;
  for (size_t i = 0; i < elements; ++i) to[i] += from[i];
}

}  // namespace bench
