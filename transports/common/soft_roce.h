// Soft-RoCE: Linux's RDMA adapter in software (rdma_rxe). It is a real verbs device with two habits that the libraries above
// it trip over, so the transports that use verbs ask whether one is here.

#ifndef TIDEWAY_TRANSPORTS_COMMON_SOFT_ROCE_H_
#define TIDEWAY_TRANSPORTS_COMMON_SOFT_ROCE_H_

#include <string>

namespace tideway {

// Whether this host has a Soft-RoCE adapter. Any thread; reads the list of adapters. `adapters` is the folder of that list, for
// tests.
bool HasSoftRoce(const std::string& adapters = "/sys/class/infiniband");

}  // namespace tideway

#endif  // TIDEWAY_TRANSPORTS_COMMON_SOFT_ROCE_H_
