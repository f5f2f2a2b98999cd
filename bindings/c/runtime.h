// What stands behind tideway_runtime and tideway_layout.

#ifndef TIDEWAY_BINDINGS_C_RUNTIME_H_
#define TIDEWAY_BINDINGS_C_RUNTIME_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "bindings/c/tideway.h"
#include "tideway/layout.h"
#include "tideway/process_mark.h"
#include "tideway/runtime.h"

namespace tideway::c {

// A Runtime that starts its threads when it is first asked for, and knows which process it belongs to. Shared by the runtime's
// handle and by those of its clients and servers.
class SharedRuntime {
 public:
  explicit SharedRuntime(RuntimeOptions options);

  Runtime& Started() ABSL_LOCKS_EXCLUDED(mutex_);
  // The time of the started runtime's executor.
  absl::Time Now() { return Started().executor().Now(); }

  // FAILED_PRECONDITION in a child that was forked from the process that made it.
  absl::Status CheckProcess() const { return process_.Check(); }

 private:
  const ProcessMark process_;  // the Runtime has one as well, once it is started
  absl::Mutex mutex_;
  RuntimeOptions options_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Runtime> runtime_ ABSL_GUARDED_BY(mutex_);
};

// One tensor as C describes it, the `index`th. INVALID_ARGUMENT, naming it, for a null.
absl::StatusOr<TensorSpec> SpecOf(const char* name, const int64_t* shape, size_t rank,
                                  size_t index);

// Ends a handle: `handle->runtime` is its SharedRuntime. In a forked child what the handle holds is forgotten, not destroyed: its
// threads don't exist there, and its connections are the parent's.
template <typename Handle>
absl::Status FreeHandle(Handle* handle) {
  if (handle == nullptr) return absl::OkStatus();
  if (!handle->runtime->CheckProcess().ok()) return absl::OkStatus();
  delete handle;
  return absl::OkStatus();
}

}  // namespace tideway::c

struct tideway_runtime {
  std::shared_ptr<tideway::c::SharedRuntime> runtime;
};

struct tideway_layout {
  tideway::Layout layout;
};

#endif  // TIDEWAY_BINDINGS_C_RUNTIME_H_
