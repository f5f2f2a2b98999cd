// What a transport module (a shared library with one transport in it) shows its loader: one function that returns a table.
//
// The table's first two fields keep their place and meaning for ever, so that a loader can refuse a module of another time
// without touching more of it. Everything behind the table is C++ of one build: the build ids must be equal, to the letter.

#ifndef TIDEWAY_TRANSPORTS_MODULE_ABI_H_
#define TIDEWAY_TRANSPORTS_MODULE_ABI_H_

#include <cstdint>

#include "tideway/transport.h"

namespace tideway {

// Goes up when this table changes.
inline constexpr uint32_t kModuleAbi = 1;

struct TransportModule {
  uint32_t abi = kModuleAbi;
  const char* build_id =
      TIDEWAY_BUILD_ID;  // the version, compiler and headers that it was built with
  TransportEntry (*entry)() = nullptr;
};

// The one exported symbol, with C linkage and this type.
inline constexpr char kModuleEntryPoint[] = "tideway_transport_module";
using ModuleEntryPoint = const TransportModule*();

}  // namespace tideway

#endif  // TIDEWAY_TRANSPORTS_MODULE_ABI_H_
