// A small model in memory, changed at random, for tests of weight sync.

#ifndef TIDEWAY_CORE_SYNC_WEIGHTS_TESTING_H_
#define TIDEWAY_CORE_SYNC_WEIGHTS_TESTING_H_

#include <cstddef>
#include <cstring>
#include <random>
#include <vector>

#include "tideway/weights.h"

namespace tideway::sync {

struct TestModel {
  explicit TestModel(const WeightLayout& l) : layout(l) {
    for (size_t i = 0; i < layout.tensors().size(); ++i) tensors.emplace_back(layout.bytes_of(i));
  }

  // Any bytes: a NaN and an infinity are weights too.
  void Fill(std::mt19937_64& random) {
    for (auto& tensor : tensors) {
      for (std::byte& byte : tensor) byte = static_cast<std::byte>(random());
    }
  }
  // Each word changes with that probability.
  void Change(double share, std::mt19937_64& random) {
    std::bernoulli_distribution changes(share);
    for (size_t i = 0; i < tensors.size(); ++i) {
      const size_t word = WordBytes(layout.tensors()[i].type);
      for (size_t at = 0; at < tensors[i].size(); at += word) {
        if (changes(random)) tensors[i][at] ^= static_cast<std::byte>(1 + random() % 255);
      }
    }
  }
  std::vector<const std::byte*> pointers() const {
    std::vector<const std::byte*> pointers;
    for (const auto& tensor : tensors) pointers.push_back(tensor.data());
    return pointers;
  }

  WeightLayout layout;
  std::vector<std::vector<std::byte>> tensors;
};

// Tensors of all types, some of one chunk and some of several (of 64 bytes).
inline WeightLayout SmallWeights() {
  return *WeightLayout::Create({{"embed", WeightType::kBf16, {100, 7}},
                                {"norm", WeightType::kFp32, {3}},
                                {"scale", WeightType::kFp16, {}},
                                {"head", WeightType::kFp32, {7, 50}}});
}

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_WEIGHTS_TESTING_H_
