// `tideway transports`: what this build has on this host, viable or why not, and what it measures.
#ifndef TIDEWAY_TOOLS_TRANSPORTS_COMMAND_H_
#define TIDEWAY_TOOLS_TRANSPORTS_COMMAND_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "tideway/transport.h"

namespace tideway::tools {

// Runs it with the words behind `tideway transports`; the answer goes to `out`, progress and errors to `err`. Returns the exit
// status. Blocks for as long as it measures.
int RunTransports(const std::vector<std::string>& arguments, const TransportRegistry& transports,
                  std::ostream& out, std::ostream& err);

}  // namespace tideway::tools

#endif  // TIDEWAY_TOOLS_TRANSPORTS_COMMAND_H_
