// libFuzzer's entry point; see weight_frames.h.

#include <cstdio>

#include "tests/fuzz/weight_frames.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string wrong = tideway::fuzz::TakeAnyWeights(data, size);
  if (wrong.empty()) return 0;
  std::fprintf(stderr, "%s\n", wrong.c_str());
  __builtin_trap();
}
