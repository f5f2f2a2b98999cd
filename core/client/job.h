// Job: one Push or Pull of the user's, made of one part per fragment.
//
// It completes when every part has come to its end, because only then is the user's memory free: with the report, or with the
// first error. An error (also a passed deadline) makes the core withdraw the parts that are still under way.
//
// Threads: the state strand, also for the callback `done`, which hands the result on to the user.

#ifndef TIDEWAY_CORE_CLIENT_JOB_H_
#define TIDEWAY_CORE_CLIENT_JOB_H_

#include <cassert>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/client/client_tasks.h"

namespace tideway {

template <typename Report>
class Job : public std::enable_shared_from_this<Job<Report>> {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<Report>)>;
  // Called on the state strand, once, after the first error: withdraws what is under way.
  using Abandon = absl::AnyInvocable<void(const std::shared_ptr<Job>&)>;

  Job(ClientTasks* tasks, Abandon abandon, Done done)
      : tasks_(tasks), abandon_(std::move(abandon)), done_(std::move(done)) {}

  // In place of the constructor's `done`, for one that needs the job.
  void OnDone(Done done) { done_ = std::move(done); }

  // Waits for `parts` calls of Settle.
  void Begin(size_t parts, absl::Time deadline) {
    parts_ = parts;
    deadline_timer_ = tasks_->At(deadline, [self = this->shared_from_this()] {
      self->Fail(
          absl::DeadlineExceededError("the deadline passed before all servers had answered"));
    });
  }

  void Fail(absl::Status status) {
    if (!status_.ok() || done_ == nullptr) return;
    status_ = std::move(status);
    // Posted: the caller may be in the middle of the queues that the withdrawal changes.
    tasks_->OnState([self = this->shared_from_this()] {
      if (self->done_ != nullptr) self->abandon_(self);
    });
  }

  bool failed() const { return !status_.ok(); }

  void Settle() {
    assert(parts_ > 0);
    if (--parts_ == 0) Finish();
  }

  Report report;

 private:
  void Finish() {
    tasks_->Cancel(deadline_timer_);
    Done done = std::exchange(done_, nullptr);
    if (status_.ok()) {
      done(report);
    } else {
      done(status_);
    }
  }

  ClientTasks* const tasks_;
  Abandon abandon_;
  Done done_;
  size_t parts_ = 0;
  TimerId deadline_timer_ = 0;
  absl::Status status_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_JOB_H_
