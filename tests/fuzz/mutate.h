// Small changes to valid input, for the tests that drive the fuzz entry points without libFuzzer.

#ifndef TIDEWAY_TESTS_FUZZ_MUTATE_H_
#define TIDEWAY_TESTS_FUZZ_MUTATE_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace tideway::fuzz {

// One small change: a bit, a byte, a cut, an insertion.
inline void Mutate(std::vector<uint8_t>& input, std::mt19937_64& random) {
  if (input.empty()) return;
  const size_t at = random() % input.size();
  switch (random() % 4) {
    case 0:
      input[at] ^= static_cast<uint8_t>(1u << (random() % 8));
      return;
    case 1:
      input[at] = static_cast<uint8_t>(random());
      return;
    case 2:
      input.resize(at);
      return;
    default:
      input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), static_cast<uint8_t>(random()));
  }
}

}  // namespace tideway::fuzz

#endif  // TIDEWAY_TESTS_FUZZ_MUTATE_H_
