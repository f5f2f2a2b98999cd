// libFuzzer's entry point; see transport_wires.h.

#include <cstdio>

#include "tests/fuzz/transport_wires.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string wrong = tideway::fuzz::DecodeWire(data, size);
  if (wrong.empty()) return 0;
  std::fprintf(stderr, "%s\n", wrong.c_str());
  __builtin_trap();
}
