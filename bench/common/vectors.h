// The data that benchmarks move: small whole numbers, so that sums of many pushes are exact and can be verified, in memory
// with 2 MiB pages where the kernel has them.

#ifndef TIDEWAY_BENCH_COMMON_VECTORS_H_
#define TIDEWAY_BENCH_COMMON_VECTORS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace bench {

// `elements` zeros, aligned to 2 MiB. Throws std::bad_alloc.
class Vector {
 public:
  explicit Vector(size_t elements);

  float* data() { return floats_.get(); }
  const float* data() const { return floats_.get(); }
  size_t size() const { return elements_; }
  size_t bytes() const { return elements_ * sizeof(float); }
  std::span<float> span() { return {data(), elements_}; }
  std::span<const float> span() const { return {data(), elements_}; }

 private:
  struct Free {
    void operator()(float* memory) const;
  };
  size_t elements_;
  std::unique_ptr<float[], Free> floats_;
};

// 1, 2, ... 5, 1, 2, ...: what every push carries and every pull brings.
void FillPattern(std::span<float> floats);
// Whether the floats are `times` times the pattern.
bool IsPattern(std::span<const float> floats, double times);

// sum += delta: what a raw server does with what it got.
void Add(const float* delta, size_t elements, float* sum);

}  // namespace bench

#endif  // TIDEWAY_BENCH_COMMON_VECTORS_H_
