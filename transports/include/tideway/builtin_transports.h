// The transports that this build of Tideway was made with, as the value that a Runtime takes.
//
// Some are linked in; others (UCX, libfabric) are loadable modules, so that a program runs where their libraries are missing.
// A module is loaded when its entry is first asked for something; what fails then is the entry's reason, never a crash. Modules
// are looked for in `module_dirs`, then in ../lib/tideway as seen from the running program, then where Tideway is installed.
//
//   tideway::Runtime runtime({.transports = tideway::BuiltinTransports(), ...});

#ifndef TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_BUILTIN_TRANSPORTS_H_
#define TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_BUILTIN_TRANSPORTS_H_

#include <string>
#include <vector>

#include "tideway/transport.h"

// The installed package's CMake file says where its modules lie, wherever it was moved.
#ifndef TIDEWAY_INSTALLED_MODULE_DIR
#define TIDEWAY_INSTALLED_MODULE_DIR ""
#endif

namespace tideway {

struct BuiltinTransportsOptions {
  std::vector<std::string> module_dirs;  // searched before the usual places
};

// One entry per line of transports/CMakeLists.txt, in that order. A transport whose dependency is missing here is listed too;
// its probe says why it can't work. `installed_modules` is for the default only.
TransportRegistry BuiltinTransports(const BuiltinTransportsOptions& options = {},
                                    const char* installed_modules = TIDEWAY_INSTALLED_MODULE_DIR);

}  // namespace tideway

#endif  // TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_BUILTIN_TRANSPORTS_H_
