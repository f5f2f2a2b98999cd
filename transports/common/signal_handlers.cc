#include "transports/common/signal_handlers.h"

namespace tideway {

std::vector<struct sigaction> SignalHandlers() {
  std::vector<struct sigaction> handlers(static_cast<size_t>(SIGRTMIN));
  for (int signal = 1; signal < SIGRTMIN; ++signal)
    (void)sigaction(signal, nullptr, &handlers[static_cast<size_t>(signal)]);
  return handlers;
}

SignalHandlersKept::~SignalHandlersKept() {
  const std::vector<struct sigaction> now = SignalHandlers();
  for (size_t signal = 1; signal < now.size(); ++signal) {
    // The handler is a union of two kinds of function; its address tells them apart well enough.
    if (now[signal].sa_handler == before_[signal].sa_handler) continue;
    (void)sigaction(static_cast<int>(signal), &before_[signal], nullptr);
  }
}

}  // namespace tideway
