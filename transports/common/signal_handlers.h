// SignalHandlersKept: libraries of fabrics install signal handlers when they are loaded or first used (libfabric's shm provider
// and PSM for SIGTERM too, which end the process; UCX for crashes). How a process takes signals is its owner's business, so
// what they changed is put back.
//
//   {
//     const SignalHandlersKept kept;
//     ... load or start the library ...
//   }
//
// A handler that another thread installs in that time is put back as well, so keep the time short.

#ifndef TIDEWAY_TRANSPORTS_COMMON_SIGNAL_HANDLERS_H_
#define TIDEWAY_TRANSPORTS_COMMON_SIGNAL_HANDLERS_H_

#include <csignal>
#include <vector>

namespace tideway {

// By signal number, from 0; what can't be asked for is empty. Any thread.
std::vector<struct sigaction> SignalHandlers();

class SignalHandlersKept {
 public:
  SignalHandlersKept() : before_(SignalHandlers()) {}
  ~SignalHandlersKept();
  SignalHandlersKept(const SignalHandlersKept&) = delete;
  SignalHandlersKept& operator=(const SignalHandlersKept&) = delete;

 private:
  const std::vector<struct sigaction> before_;
};

}  // namespace tideway

#endif  // TIDEWAY_TRANSPORTS_COMMON_SIGNAL_HANDLERS_H_
