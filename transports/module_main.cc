// The one exported function of every transport module. CMake compiles this file once per module, with TIDEWAY_MODULE as the
// namespace of its transport.

#include "transports/module_abi.h"

namespace tideway::TIDEWAY_MODULE {
TransportEntry Entry();
}

extern "C" const tideway::TransportModule* tideway_transport_module() {
  static const tideway::TransportModule module = {.entry = &tideway::TIDEWAY_MODULE::Entry};
  return &module;
}
