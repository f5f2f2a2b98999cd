// Soft-RoCE: Linux's RDMA adapter in software (rdma_rxe). It is a real verbs device with two habits that the libraries above
// it trip over, so the transports that use verbs ask whether one is here.

#ifndef TIDEWAY_TRANSPORTS_COMMON_SOFT_ROCE_H_
#define TIDEWAY_TRANSPORTS_COMMON_SOFT_ROCE_H_

#include <string>

namespace tideway {

// Any thread; both read the kernel's list of adapters each time. `adapters` is its folder, for tests.

// Whether this host has an RDMA adapter of any kind.
bool HasRdmaAdapter(const std::string& adapters = "/sys/class/infiniband");

// Whether one of them is in software.
bool HasSoftRoce(const std::string& adapters = "/sys/class/infiniband");

}  // namespace tideway

#endif  // TIDEWAY_TRANSPORTS_COMMON_SOFT_ROCE_H_
