#include "bench/common/noise.h"

#include <algorithm>
#include <random>
#include <vector>

namespace bench {
namespace {

constexpr float kDeviation = 0.01f;
constexpr size_t kShift = 61;
constexpr size_t kShifts = 64;

}  // namespace

void FillWithNoise(std::span<float> floats, size_t period) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0.0f, kDeviation);
  std::vector<float> noise(std::min(period, floats.size()) + kShift * kShifts);
  for (float& value : noise) value = normal(random);
  for (size_t i = 0; i < floats.size(); ++i) {
    floats[i] = noise[i % period + i / period % kShifts * kShift];
  }
}

}  // namespace bench
