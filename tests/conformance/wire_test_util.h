// For tests of a transport's bytes: random texts, and the seed that a failure is repeated with.

#ifndef TIDEWAY_TESTS_CONFORMANCE_WIRE_TEST_UTIL_H_
#define TIDEWAY_TESTS_CONFORMANCE_WIRE_TEST_UTIL_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace tideway::testing {

inline absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string RandomText(std::mt19937_64& random, size_t bytes_max) {
  std::string text(random() % (bytes_max + 1), '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

// --gtest_random_seed, or `otherwise`.
inline uint64_t Seed(uint64_t otherwise) {
  const int given = ::testing::UnitTest::GetInstance()->random_seed();
  return given != 0 ? static_cast<uint64_t>(given) : otherwise;
}

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_CONFORMANCE_WIRE_TEST_UTIL_H_
