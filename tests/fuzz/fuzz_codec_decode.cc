// libFuzzer's entry point; see codec_decode.h.

#include <cstdio>

#include "tests/fuzz/codec_decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string wrong = tideway::fuzz::DecodeAny(data, size);
  if (wrong.empty()) return 0;
  std::fprintf(stderr, "%s\n", wrong.c_str());
  __builtin_trap();
}
