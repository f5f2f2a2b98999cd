// Runtime: what a program hands to its clients and servers: the registries, the executor, the log sink.
//
// It also keeps the transport instances, one per registered transport, made when first asked for and shared by every
// client and server of this Runtime (so a client and a server in one process can meet over inproc://). There is no
// global Runtime; a program may have several.
//
// Threads: thread-safe. Lifetime: outlives its clients and servers. Destruction (or Stop) stops the transports, then
// the executor if the Runtime owns it; it must not happen on one of their threads.
//
// fork: threads, connections and locks stay with the process that made them. In a forked child everything that a Runtime of its parent is
// asked for, and every call of a client, server, publisher or subscriber that was made from it, fails with FAILED_PRECONDITION
// (CheckProcess) and does nothing; the completion of such a call comes within it, as no thread is there to bring it. What has no status to
// return is empty. Destructors forget what they hold: they wait for nothing, and what the parent has goes on. A child makes a Runtime of
// its own.
//
//   tideway::Runtime runtime({.transports = tideway::BuiltinTransports(), .codecs = tideway::BuiltinCodecs()});

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_RUNTIME_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_RUNTIME_H_

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "tideway/codec.h"
#include "tideway/executor.h"
#include "tideway/log.h"
#include "tideway/outer_optimizer.h"
#include "tideway/process_mark.h"
#include "tideway/transport.h"

namespace tideway {

struct RuntimeOptions {
  TransportRegistry transports = {};
  CodecRegistry codecs = {};
  OuterOptimizerRegistry outer_optimizers = BuiltinOuterOptimizers();
  // Null: the Runtime makes and owns a thread executor. Otherwise it must outlive the Runtime and is not stopped.
  Executor* executor = nullptr;
  ThreadExecutorOptions executor_options = {};
  LogSink log = {};
};

class Runtime {
 public:
  explicit Runtime(RuntimeOptions options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Executor& executor() { return *executor_; }
  const CodecRegistry& codecs() const { return options_.codecs; }
  const OuterOptimizerRegistry& outer_optimizers() const { return options_.outer_optimizers; }
  const TransportRegistry& transports() const { return options_.transports; }
  void Log(LogLevel level, absl::string_view text) const;

  // The instance that serves `scheme`. NOT_FOUND for an unknown scheme, UNAVAILABLE (with the reason) for a transport
  // that can't work here, CANCELLED after Stop, FAILED_PRECONDITION in a forked child.
  absl::StatusOr<Transport*> TransportFor(absl::string_view scheme);

  void Stop();

  // FAILED_PRECONDITION, with what to do instead, in a child that was forked from the process that made this.
  absl::Status CheckProcess() const { return process_.Check(); }

 private:
  struct Instances {
    absl::Mutex mutex;
    bool stopped ABSL_GUARDED_BY(mutex) = false;
    std::map<std::string, std::unique_ptr<Transport>> by_name ABSL_GUARDED_BY(mutex);
  };

  const ProcessMark process_;
  RuntimeOptions options_;
  std::unique_ptr<Executor> owned_executor_;
  Executor* executor_;
  std::unique_ptr<Instances> instances_;  // apart, so that a forked child can forget it
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_RUNTIME_H_
