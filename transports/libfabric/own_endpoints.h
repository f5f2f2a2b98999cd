// Which shm endpoints of this process are open.
//
// The shm provider of libfabric 1.17 keeps the names of the process's own endpoints for ever, and follows a closed one's into
// memory that is no longer mapped when it is looked up. So we know which are open, look up no other of our own, and close none
// while one is looked up. Addresses of other processes and of other providers pass through.
//
// Threads: any.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_OWN_ENDPOINTS_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_OWN_ENDPOINTS_H_

#include <string>

#include "absl/functional/function_ref.h"

namespace tideway::libfabric {

void NoteOpened(const std::string& address);

// Calls `close`, which closes the endpoint.
void CloseOwn(const std::string& address, absl::FunctionRef<void()> close);

// What `insert` returns, which makes libfabric look the address up: how many peers it found. 0 without calling it for an
// endpoint of this process that is closed.
int InsertOpen(const std::string& address, absl::FunctionRef<int()> insert);

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_OWN_ENDPOINTS_H_
