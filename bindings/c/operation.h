// What stands behind tideway_operation: one push, pull or both, from its start until the program frees it.

#ifndef TIDEWAY_BINDINGS_C_OPERATION_H_
#define TIDEWAY_BINDINGS_C_OPERATION_H_

#include <atomic>
#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "bindings/c/runtime.h"
#include "bindings/c/tideway.h"
#include "tideway/client.h"

namespace tideway::c {

inline constexpr size_t kOperationsMax = 1024;  // of one client, not freed yet

// The finished operations of one client that tideway_client_next hands out, and the file descriptor that tells of them. Lives as
// long as the client or any of its operations.
class CompletionQueue {
 public:
  CompletionQueue() = default;
  ~CompletionQueue();
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;

  // RESOURCE_EXHAUSTED if there are kOperationsMax already.
  absl::Status CountOperation();
  void ForgetOperation(tideway_operation* operation) ABSL_LOCKS_EXCLUDED(mutex_);

  void Add(tideway_operation* operation) ABSL_LOCKS_EXCLUDED(mutex_);
  tideway_operation* Next() ABSL_LOCKS_EXCLUDED(mutex_);
  // Made when first asked for. RESOURCE_EXHAUSTED: the process has too many.
  absl::Status FileDescriptor(int* fd) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void SetReadable(bool readable) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<size_t> operations_{0};
  absl::Mutex mutex_;
  std::deque<tideway_operation*> finished_ ABSL_GUARDED_BY(mutex_);
  int fd_ ABSL_GUARDED_BY(mutex_) = -1;
};

}  // namespace tideway::c

// Two hold it: the program, until it frees it, and the completion, until the callback has returned.
struct tideway_operation {
  tideway_operation(std::shared_ptr<tideway::c::SharedRuntime> made_by,
                    std::shared_ptr<tideway::c::CompletionQueue> finished, tideway_done callback,
                    void* argument);

  // Ends it. Calls the callback, or puts it into the queue. Once.
  void Finish(absl::StatusOr<tideway::Client::PushPullReport> outcome);

  bool finished() ABSL_LOCKS_EXCLUDED(mutex);
  // Until the callback has returned too, unless this is it.
  absl::Status WaitUntil(absl::Time deadline) ABSL_LOCKS_EXCLUDED(mutex);
  // REQUIRES: finished().
  const absl::StatusOr<tideway::Client::PushPullReport>& outcome() const { return result; }
  void Release();  // by one of the two holders

  const std::shared_ptr<tideway::c::SharedRuntime> runtime;
  const std::shared_ptr<tideway::c::CompletionQueue> queue;
  const tideway_done done;
  void* const user;

 private:
  enum class Stage { kRunning, kCalling, kOver };  // kCalling: the result is there

  bool IsOver() const ABSL_SHARED_LOCKS_REQUIRED(mutex) { return stage == Stage::kOver; }

  std::atomic<int> holders{2};
  absl::StatusOr<tideway::Client::PushPullReport> result;  // written before kCalling
  absl::Mutex mutex;
  Stage stage ABSL_GUARDED_BY(mutex) = Stage::kRunning;
};

#endif  // TIDEWAY_BINDINGS_C_OPERATION_H_
