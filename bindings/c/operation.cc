#include "bindings/c/operation.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bindings/c/boundary.h"
#include "bindings/c/reports.h"

namespace tideway::c {
namespace {

// The operation whose callback this thread is in.
thread_local tideway_operation* called_back = nullptr;

}  // namespace

CompletionQueue::~CompletionQueue() {
  if (fd_ >= 0) close(fd_);
}

absl::Status CompletionQueue::CountOperation() {
  if (operations_.fetch_add(1) < kOperationsMax) return absl::OkStatus();
  operations_.fetch_sub(1);
  return absl::ResourceExhaustedError(
      absl::StrCat("the client has ", kOperationsMax,
                   " operations; call tideway_operation_free for those that are finished"));
}

void CompletionQueue::ForgetOperation(tideway_operation* operation) {
  absl::MutexLock lock(&mutex_);
  const auto found = std::find(finished_.begin(), finished_.end(), operation);
  if (found != finished_.end()) {
    finished_.erase(found);
    if (finished_.empty()) SetReadable(false);
  }
  operations_.fetch_sub(1);
}

void CompletionQueue::Add(tideway_operation* operation) {
  absl::MutexLock lock(&mutex_);
  finished_.push_back(operation);
  if (finished_.size() == 1) SetReadable(true);
}

tideway_operation* CompletionQueue::Next() {
  absl::MutexLock lock(&mutex_);
  if (finished_.empty()) return nullptr;
  tideway_operation* const operation = finished_.front();
  finished_.pop_front();
  if (finished_.empty()) SetReadable(false);
  return operation;
}

absl::Status CompletionQueue::FileDescriptor(int* fd) {
  absl::MutexLock lock(&mutex_);
  if (fd_ < 0) {
    fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd_ < 0) {
      return absl::ErrnoToStatus(errno, "no file descriptor for tideway_client_fd");
    }
    SetReadable(!finished_.empty());
  }
  *fd = fd_;
  return absl::OkStatus();
}

// An eventfd is readable while its counter is not zero. Neither call can block or fail: the counter is 0 or 1.
void CompletionQueue::SetReadable(bool readable) {
  if (fd_ < 0) return;
  eventfd_t count = 0;
  if (readable) {
    (void)eventfd_write(fd_, 1);
  } else {
    (void)eventfd_read(fd_, &count);
  }
}

namespace {

absl::Status Check(const tideway_operation* operation) {
  if (operation == nullptr) return NullArgument("operation");
  return operation->runtime->CheckProcess();
}

absl::Status Wait(tideway_operation* operation, int64_t timeout_ms) {
  absl::Status status = Check(operation);
  if (!status.ok()) return status;
  absl::Time deadline;
  // A wait compares with the clock that Abseil's locks use.
  status = DeadlineOf(timeout_ms, absl::InfiniteDuration(), operation->runtime->Now(), deadline);
  if (!status.ok()) return status;
  return operation->WaitUntil(deadline);
}

absl::Status Result(tideway_operation* operation, tideway_push_report* push,
                    tideway_pull_report* pull) {
  absl::Status status = Check(operation);
  if (status.ok()) status = CheckOut(push, "tideway_push_report");
  if (status.ok()) status = CheckOut(pull, "tideway_pull_report");
  if (!status.ok()) return status;
  if (!operation->finished()) {
    return absl::FailedPreconditionError(
        "the operation still runs; call tideway_operation_wait first");
  }
  const auto& outcome = operation->outcome();
  CopyBack(outcome.ok() ? ToC(outcome->push) : tideway_push_report{}, push);
  CopyBack(outcome.ok() ? ToC(outcome->pull) : tideway_pull_report{}, pull);
  return outcome.status();
}

absl::Status Free(tideway_operation* operation) {
  if (operation == nullptr || !operation->runtime->CheckProcess().ok()) return absl::OkStatus();
  absl::Status status = operation->WaitUntil(absl::InfiniteFuture());
  if (!status.ok()) return status;
  operation->queue->ForgetOperation(operation);
  operation->Release();
  return absl::OkStatus();
}

}  // namespace
}  // namespace tideway::c

tideway_operation::tideway_operation(std::shared_ptr<tideway::c::SharedRuntime> made_by,
                                     std::shared_ptr<tideway::c::CompletionQueue> finished,
                                     tideway_done callback, void* argument)
    : runtime(std::move(made_by)),
      queue(std::move(finished)),
      done(callback),
      user(argument),
      result(absl::FailedPreconditionError("not finished")) {}

void tideway_operation::Finish(absl::StatusOr<tideway::Client::PushPullReport> outcome) {
  {
    absl::MutexLock lock(&mutex);
    result = std::move(outcome);
    stage = done != nullptr ? Stage::kCalling : Stage::kOver;
    // While the lock is held, so that nobody can wait, free it and leave a dangling pointer in the queue.
    if (done == nullptr) queue->Add(this);
  }
  if (done != nullptr) {
    const tideway::c::InCallback entered;
    tideway_operation* const before = std::exchange(tideway::c::called_back, this);
    done(user, this);
    tideway::c::called_back = before;
    absl::MutexLock lock(&mutex);
    stage = Stage::kOver;
  }
  Release();
}

bool tideway_operation::finished() {
  absl::MutexLock lock(&mutex);
  return stage == Stage::kOver || (stage == Stage::kCalling && tideway::c::called_back == this);
}

absl::Status tideway_operation::WaitUntil(absl::Time deadline) {
  if (finished()) return absl::OkStatus();
  absl::Status status = tideway::c::InCallback::Refuse("waiting for an operation");
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex);
  if (mutex.AwaitWithDeadline(absl::Condition(this, &tideway_operation::IsOver), deadline)) {
    return absl::OkStatus();
  }
  return absl::DeadlineExceededError("the operation still runs");
}

void tideway_operation::Release() {
  if (holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

extern "C" {

tideway_status tideway_operation_poll(tideway_operation* operation, int* finished) {
  return tideway::c::Boundary([&] {
    absl::Status status = tideway::c::Check(operation);
    if (status.ok() && finished == nullptr) status = tideway::c::NullArgument("finished");
    if (status.ok()) *finished = operation->finished() ? 1 : 0;
    return status;
  });
}

tideway_status tideway_operation_wait(tideway_operation* operation, int64_t timeout_ms) {
  return tideway::c::Boundary([&] { return tideway::c::Wait(operation, timeout_ms); });
}

tideway_status tideway_operation_result(tideway_operation* operation, tideway_push_report* push,
                                        tideway_pull_report* pull) {
  return tideway::c::Boundary([&] { return tideway::c::Result(operation, push, pull); });
}

void* tideway_operation_user(const tideway_operation* operation) {
  return operation == nullptr ? nullptr : operation->user;
}

tideway_status tideway_operation_free(tideway_operation* operation) {
  return tideway::c::Boundary([&] { return tideway::c::Free(operation); });
}

}  // extern "C"
