// LogScope: while it lives, what UCX logs on this thread goes to the embedder's sink and not to standard output.
//
// UCX's log handlers are global to the process. Ours takes lines only from threads inside a LogScope; every other thread's
// lines, another user's of UCX in the same process among them, go the way that they went before.

#ifndef TIDEWAY_TRANSPORTS_UCX_LOG_SCOPE_H_
#define TIDEWAY_TRANSPORTS_UCX_LOG_SCOPE_H_

#include "tideway/log.h"

namespace tideway::ucx {

class LogScope {
 public:
  // `sink` outlives the scope; an empty sink drops what UCX says.
  explicit LogScope(const LogSink* sink);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

 private:
  const LogSink* const outer_;
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_LOG_SCOPE_H_
