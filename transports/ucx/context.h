// Context, ContextPool and Worker: UCX's objects, each owned.
//
// A Context is made from Settings; a transport keeps one for each distinct Settings. A Worker belongs to one connection and
// has the one endpoint that leads to the peer's worker: so a peer that dies in the middle of writing into shared memory
// wedges nobody else's queue, and dropping the worker drops all that was under way.
//
// Threads: ContextPool and Context from any thread. A Worker from the progress thread only.

#ifndef TIDEWAY_TRANSPORTS_UCX_CONTEXT_H_
#define TIDEWAY_TRANSPORTS_UCX_CONTEXT_H_

#include <ucp/api/ucp.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "tideway/log.h"
#include "transports/ucx/registration.h"
#include "transports/ucx/settings.h"

namespace tideway::ucx {

// "what: Destination is unreachable", as UNAVAILABLE.
absl::Status UcxError(absl::string_view what, ucs_status_t status);

class Context {
 public:
  // UNAVAILABLE if this host has none of the transports, with the reason that UCX gives.
  static absl::StatusOr<std::shared_ptr<Context>> Create(const Settings& settings,
                                                         const LogSink& log);
  explicit Context(ucp_context_h handle) : handle_(handle) {}
  ~Context() { ucp_cleanup(handle_); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  ucp_context_h handle() const { return handle_; }

  // What UCX found for it, as "tcp/eth0".
  std::vector<std::string> Resources() const;

  Registrations& registrations() { return registrations_; }

 private:
  const ucp_context_h handle_;
  Registrations registrations_;
};

class ContextPool {
 public:
  absl::StatusOr<std::shared_ptr<Context>> Get(const Settings& settings, const LogSink& log);

 private:
  absl::Mutex mutex_;
  std::map<Settings, std::shared_ptr<Context>> contexts_ ABSL_GUARDED_BY(mutex_);
};

class Worker {
 public:
  static absl::StatusOr<std::unique_ptr<Worker>> Create(std::shared_ptr<Context> context);
  // Ends what is under way without calling back.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // How a peer's worker reaches this one; opaque.
  absl::StatusOr<std::string> Address() const;

  // Makes the endpoint. `peer_errors`: UCX looks whether the peer lives (error mode peer), and endpoint_error tells.
  absl::Status Connect(absl::string_view peer_address, bool peer_errors);
  ucs_status_t endpoint_error() const { return endpoint_error_; }

  // Whether the lanes of both ends are joined, as far as this end can know. Only then may the worker go without loss.
  bool wired() const { return wired_; }

  // The lanes that the endpoint uses, as UCX prints them: "sysv/memory (am, am_bw#0), cma/memory (rma_bw#0)".
  std::string Lanes() const;
  // Whether adapters read the peer's memory by themselves.
  bool reads_by_rdma() const { return rdma_; }

  // Ends what is under way, each with a callback or not at all; the endpoint is gone then. Once is enough.
  void CloseEndpoint();

  void OnMessage(unsigned id, ucp_am_recv_callback_t callback, void* argument);

  bool Progress() { return ucp_worker_progress(handle_) != 0; }
  // False: there are events, or sends that only progress can finish.
  bool Arm() { return ucp_worker_arm(handle_) == UCS_OK; }
  int event_fd() const { return event_fd_; }  // -1: it has none

  ucp_worker_h handle() const { return handle_; }
  ucp_ep_h endpoint() const { return endpoint_; }
  const std::shared_ptr<Context>& shared_context() const { return context_; }

 private:
  Worker(std::shared_ptr<Context> context, ucp_worker_h handle, int event_fd)
      : context_(std::move(context)), handle_(handle), event_fd_(event_fd) {}

  static void OnEndpointError(void* worker, ucp_ep_h endpoint, ucs_status_t status);
  void AwaitWiring();

  const std::shared_ptr<Context> context_;
  const ucp_worker_h handle_;
  const int event_fd_;
  ucp_ep_h endpoint_ = nullptr;
  bool peer_errors_ = false;
  bool rdma_ = false;
  bool wired_ = true;
  ucs_status_t endpoint_error_ = UCS_OK;
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_CONTEXT_H_
