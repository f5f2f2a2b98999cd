#include "bench/peer/inner_steps.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kSide = 48;  // three matrices of that fit a first-level cache
constexpr double kCalibrationSeconds = 0.05;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

InnerSteps::InnerSteps(double step_s)
    : a_(kSide * kSide, 1.0f), b_(kSide * kSide, 0.5f), sum_(kSide * kSide, 0.0f) {
  // The quickest of many pieces: neighbours only ever make it slower.
  constexpr size_t kPiece = 20;
  double quickest = HUGE_VAL;
  for (double all = 0; all < kCalibrationSeconds;) {
    const double took = Multiply(kPiece);
    quickest = std::min(quickest, took / kPiece);
    all += took;
  }
  multiplications_per_step_ =
      std::max<size_t>(1, static_cast<size_t>(std::llround(step_s / quickest)));
}

double InnerSteps::Run(size_t steps) { return Multiply(steps * multiplications_per_step_); }

double InnerSteps::Multiply(size_t times) {
  const Clock::time_point start = Clock::now();
  for (size_t i = 0; i < times; ++i) {
    Multiply();
    // The compiler must take it that somebody reads the sum.
    asm volatile("" : : "r"(sum_.data()) : "memory");
  }
  return SecondsSince(start);
}

void InnerSteps::Multiply() {
  for (size_t row = 0; row < kSide; ++row) {
    for (size_t k = 0; k < kSide; ++k) {
      const float factor = a_[row * kSide + k];
      for (size_t column = 0; column < kSide; ++column) {
        sum_[row * kSide + column] =
            0.5f * sum_[row * kSide + column] + factor * b_[k * kSide + column];
      }
    }
  }
}

}  // namespace bench
