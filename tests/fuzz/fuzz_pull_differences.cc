// libFuzzer's entry point; see pull_differences.h.

#include <cstdio>

#include "tests/fuzz/pull_differences.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string wrong = tideway::fuzz::TakeAnyDifferences(data, size);
  if (wrong.empty()) return 0;
  std::fprintf(stderr, "%s\n", wrong.c_str());
  __builtin_trap();
}
