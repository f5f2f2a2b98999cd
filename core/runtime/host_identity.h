// HostIdentity: tells whether two processes are on one host, as shared memory sees it.
//
// Made of the kernel's boot id and of the network, IPC and PID namespaces of this process. A container or network namespace
// is so a host of its own: shared memory may not reach into it, and processes there can't be named.

#ifndef TIDEWAY_CORE_RUNTIME_HOST_IDENTITY_H_
#define TIDEWAY_CORE_RUNTIME_HOST_IDENTITY_H_

#include <cstdint>
#include <string>

namespace tideway {

// Equal texts: one host. Never empty. Reads a few files under /proc; where they are missing, the text is unlike any other's,
// so that nobody is taken for a neighbour by mistake: `fallback` (a random number) stands in it then.
std::string HostIdentity(uint64_t fallback);

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_HOST_IDENTITY_H_
