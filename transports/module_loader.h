// ModuleEntry: the registry entry of a transport that lies in a loadable module.
//
// The module is loaded by the first call of probe or create, not before: a program that never asks for the transport never
// loads the library behind it. What can go wrong (no such file, a damaged file, a library that is missing on this machine, a
// module of another build) is the reason in probe's info, and UNAVAILABLE from create. The outcome is remembered.
//
// A module is never unloaded. Its transports leave behind threads, completions and thread-local data that run its code, and so
// do the libraries under it; there is no point at which all of them are known to be gone, and nothing would be won.
//
// Threads: the entry may be used from any thread; the load happens once, under a lock.

#ifndef TIDEWAY_TRANSPORTS_MODULE_LOADER_H_
#define TIDEWAY_TRANSPORTS_MODULE_LOADER_H_

#include <string>
#include <vector>

#include "tideway/transport.h"

namespace tideway {

struct ModuleSpec {
  std::string name;                  // of the transport; the file is tideway_transport_<name>.so
  std::vector<std::string> schemes;  // known without loading
  std::vector<std::string> folders;  // searched in this order; the first that has the file counts
  std::string runtime_package;       // Debian's package with the library that the module needs
  // By its soname, a library that is loaded with the module and ends a process that has another copy of it. Empty: none does.
  std::string alone = {};
};

TransportEntry ModuleEntry(ModuleSpec spec);

// The entry of a transport that this build could not be made with.
TransportEntry MissingEntry(std::string name, std::vector<std::string> schemes, std::string reason);

}  // namespace tideway

#endif  // TIDEWAY_TRANSPORTS_MODULE_LOADER_H_
