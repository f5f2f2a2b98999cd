// ProcessMemory: reading the memory of another process of this host through the kernel (process_vm_readv).
//
// The kernel may forbid it (Yama's ptrace_scope, seccomp, another user namespace), so two ends try it before they rely on
// it: each has a cell with a random number and tells the peer where it lies.
//
// Threads: any. Errors: UNAVAILABLE with the kernel's reason.

#ifndef TIDEWAY_TRANSPORTS_UCX_PROCESS_MEMORY_H_
#define TIDEWAY_TRANSPORTS_UCX_PROCESS_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace tideway::ucx {

absl::Status ReadProcess(uint32_t pid, uint64_t address, absl::Span<std::byte> local);

// OK if the eight bytes at `address` of that process can be read and hold `expected`.
absl::Status ProbeProcess(uint32_t pid, uint64_t address, uint64_t expected);

uint32_t OwnPid();

// Text that is the same for two processes exactly if they run on one boot of one host and see each other's process ids and
// shared memory.
std::string HostIdentity();

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_PROCESS_MEMORY_H_
