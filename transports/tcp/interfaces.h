// The network interfaces that this process can use TCP over, for reports.

#ifndef TIDEWAY_TRANSPORTS_TCP_INTERFACES_H_
#define TIDEWAY_TRANSPORTS_TCP_INTERFACES_H_

#include <string>
#include <vector>

namespace tideway::tcp {

// Those that are up and have an address, in the kernel's order, each once. Empty where the kernel does not tell. Any thread.
std::vector<std::string> Interfaces();

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_INTERFACES_H_
