#include "core/client/client_core.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/client/finite.h"
#include "core/wire/payload_scan.h"

namespace tideway {
namespace {

// Looking through so many values takes about a microsecond, less than a hop to another thread.
constexpr size_t kElementsAtOnce = 4096;

}  // namespace

ClientCore::ClientCore(ClientConfig config)
    : shared_(std::move(config)),
      check_strand_(shared_.tasks.NewStrand()),
      base_versions_(
          std::make_shared<std::vector<uint64_t>>(shared_.config.layout.fragments().size(), 0)) {
  for (uint32_t index = 0; index < layout().servers(); ++index) {
    links_.push_back(std::make_unique<ServerLink>(
        &shared_, index,
        ServerLink::Events{.first_ready = [this] { OnFirstReady(); },
                           .became_final = [this](const absl::Status& s) { OnFinal(s); }}));
  }
}

void ClientCore::Complete(StatusDone done, absl::Status status) {
  shared_.tasks.Complete(
      [done = std::move(done), status = std::move(status)]() mutable { done(std::move(status)); });
}

absl::Status ClientCore::CheckJoined() const {
  if (phase_ == Phase::kClosed) return closed_because_;
  if (phase_ == Phase::kJoined) return absl::OkStatus();
  return absl::FailedPreconditionError("not joined; call Join and wait for it first");
}

absl::Status ClientCore::CheckElements(size_t elements) const {
  if (elements == layout().elements()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the vector has ", elements, " floats, the layout has ", layout().elements(), " elements"));
}

absl::Status ClientCore::CheckMayPush(size_t elements) const {
  if (absl::Status status = CheckJoined(); !status.ok()) return status;
  if (shared_.config.options.observer) {
    return absl::FailedPreconditionError(
        "an observer does not push; set ClientOptions::observer to false for a worker");
  }
  return CheckElements(elements);
}

// --- joining and closing ---------------------------------------------------------------------------

void ClientCore::Join(absl::Time deadline, StatusDone done) {
  if (phase_ != Phase::kNew) {
    Complete(std::move(done), phase_ == Phase::kClosed
                                  ? closed_because_
                                  : absl::FailedPreconditionError("Join was called before"));
    return;
  }
  phase_ = Phase::kJoining;
  join_done_ = std::move(done);
  join_timer_ = shared_.tasks.At(deadline, [this] { OnJoinDeadline(); });
  for (auto& link : links_) link->Start();
}

void ClientCore::OnFirstReady() {
  if (++links_ready_ == links_.size() && phase_ == Phase::kJoining) FinishJoin(absl::OkStatus());
}

void ClientCore::OnFinal(const absl::Status& status) {
  if (phase_ == Phase::kJoining) FinishJoin(status);
}

void ClientCore::OnJoinDeadline() {
  if (phase_ != Phase::kJoining) return;
  std::string why;
  for (const auto& link : links_) {
    if (link->ready()) continue;
    why = absl::StrCat(link->name(), " did not answer");
    if (!link->last_error().ok()) absl::StrAppend(&why, ": ", link->last_error().message());
    break;
  }
  FinishJoin(absl::DeadlineExceededError(absl::StrCat("could not join in time: ", why)));
}

void ClientCore::FinishJoin(const absl::Status& status) {
  shared_.tasks.Cancel(join_timer_);
  phase_ = status.ok() ? Phase::kJoined : Phase::kClosed;
  Complete(std::exchange(join_done_, nullptr), status);
  if (!status.ok()) ShutdownAll(status);
}

void ClientCore::ShutdownAll(const absl::Status& status) {
  phase_ = Phase::kClosed;
  closed_because_ = status;
  for (auto& link : links_) link->Shutdown(status);
}

void ClientCore::Close() {
  if (phase_ == Phase::kClosed) return;
  const absl::Status status = absl::CancelledError("the client was closed");
  if (phase_ == Phase::kJoining) {
    FinishJoin(status);
  } else {
    ShutdownAll(status);
  }
}

void ClientCore::Leave(absl::Time deadline, StatusDone done) {
  if (phase_ != Phase::kJoined) {
    Close();
    Complete(std::move(done), absl::OkStatus());
    return;
  }
  auto left = [this, done = std::move(done)](absl::Status status) mutable {
    Close();
    Complete(std::move(done), std::move(status));
  };
  AskAll([deadline](ServerLink& link, ReplyDone reply) { link.Leave(deadline, std::move(reply)); },
         std::move(left));
}

// --- pushes and pulls ------------------------------------------------------------------------------

void ClientCore::Push(absl::Span<const float> delta, const PushOptions& options,
                      absl::Time deadline, ResultDone<PushReport> done) {
  StartPush(delta, options, deadline,
            [this, done = std::move(done)](absl::StatusOr<PushReport> report) mutable {
              Complete(std::move(done), std::move(report));
            });
}

void ClientCore::StartPush(absl::Span<const float> delta, const PushOptions& options,
                           absl::Time deadline, PushDone done) {
  if (absl::Status status = CheckMayPush(delta.size()); !status.ok()) {
    done(std::move(status));
    return;
  }
  auto abandon = [this](const std::shared_ptr<Job<PushReport>>& job) {
    for (auto& link : links_) link->pushes().Withdraw(static_cast<PushJob*>(job.get()));
  };
  auto job = std::make_shared<PushJob>(&shared_.tasks, delta, options, base_versions_,
                                       std::move(abandon), std::move(done));
  job->shared = shared_.shared_deltas.Find(BytesOf(delta));
  if (shared_.config.options.on_push_times) job->begun = shared_.tasks.Now();
  job->Begin(layout().fragments().size(), deadline);
  // They leave in the order of the calls, so none overtakes one that is being looked through.
  if (checks_ == 0 && (job->known_finite || delta.size() <= kElementsAtOnce)) {
    SendPush(job, CheckDelta(*job));
    return;
  }
  ++checks_;
  shared_.tasks.On(check_strand_, [this, job] {
    absl::Status finite = CheckDelta(*job);
    shared_.tasks.OnStateNow([this, job, finite = std::move(finite)] {
      --checks_;
      SendPush(job, finite);
    });
  });
}

absl::Status ClientCore::CheckDelta(PushJob& job) const {
  if (job.known_finite) return absl::OkStatus();
  const ClientConfig& config = shared_.config;
  if (config.codec_up->info().wire_id != kIdentityWireId || !config.codecs_up_also.empty()) {
    return CheckFinite(job.delta, layout(), "delta");
  }
  job.hashes.reserve(layout().fragments().size());
  for (const FragmentSpec& fragment : layout().fragments()) {
    const auto scan =
        wire::ScanFloats(BytesOf(job.delta.subspan(fragment.offset, fragment.elements)));
    if (!scan.finite) return CheckFinite(job.delta, layout(), "delta");
    job.hashes.push_back(scan.hash);
  }
  return absl::OkStatus();
}

void ClientCore::SendPush(const std::shared_ptr<PushJob>& job, const absl::Status& finite) {
  if (!finite.ok()) {
    job->Fail(finite);
    for (size_t i = 0; i < layout().fragments().size(); ++i) job->Settle();
    return;
  }
  for (const FragmentSpec& fragment : layout().fragments()) {
    links_[fragment.server]->pushes().Add(job, fragment.id);
  }
}

void ClientCore::Pull(absl::Span<float> destination, const PullOptions& options,
                      absl::Time deadline, ResultDone<PullReport> done) {
  StartPull(destination, options, deadline,
            [this, done = std::move(done)](absl::StatusOr<PullReport> report) mutable {
              Complete(std::move(done), std::move(report));
            });
}

void ClientCore::StartPull(absl::Span<float> destination, const PullOptions& options,
                           absl::Time deadline, PullDone done) {
  absl::Status status = CheckJoined();
  if (status.ok()) status = CheckElements(destination.size());
  if (!status.ok()) {
    done(std::move(status));
    return;
  }
  auto abandon = [this](const std::shared_ptr<Job<PullReport>>& job) {
    for (auto& link : links_) link->pulls().Withdraw(static_cast<PullJob*>(job.get()));
  };
  auto job = std::make_shared<PullJob>(&shared_.tasks, destination, options.window,
                                       layout().fragments().size(), std::move(abandon), nullptr);
  job->OnDone(
      [this, raw = job.get(), done = std::move(done)](absl::StatusOr<PullReport> report) mutable {
        if (report.ok()) FinishPull(*raw, *report);
        done(std::move(report));
      });
  job->Begin(layout().fragments().size(), deadline);
  for (const FragmentSpec& fragment : layout().fragments()) {
    links_[fragment.server]->pulls().Add(job, fragment.id);
  }
}

void ClientCore::FinishPull(const PullJob& job, PullReport& report) {
  const auto [least, most] = std::minmax_element(job.versions.begin(), job.versions.end());
  report.version_min = *least;
  report.version_max = *most;
  base_versions_ = std::make_shared<const std::vector<uint64_t>>(job.versions);
}

void ClientCore::PushPull(absl::Span<const float> delta, const PushOptions& push_options,
                          absl::Span<float> destination, const PullOptions& pull_options,
                          absl::Time deadline, ResultDone<Client::PushPullReport> done) {
  StartPush(delta, push_options, deadline,
            [this, destination, pull_options, deadline,
             done = std::move(done)](absl::StatusOr<PushReport> pushed) mutable {
              if (!pushed.ok()) {
                Complete<Client::PushPullReport>(std::move(done), pushed.status());
                return;
              }
              StartPull(destination, pull_options, deadline,
                        [this, push = *pushed,
                         done = std::move(done)](absl::StatusOr<PullReport> pulled) mutable {
                          if (!pulled.ok()) {
                            Complete<Client::PushPullReport>(std::move(done), pulled.status());
                          } else {
                            Complete<Client::PushPullReport>(std::move(done),
                                                             Client::PushPullReport{push, *pulled});
                          }
                        });
            });
}

// --- requests --------------------------------------------------------------------------------------

void ClientCore::NextAssignment(const Arrival& arrival, absl::Time deadline,
                                ResultDone<Assignment> done) {
  absl::Status status = CheckMayPush(layout().elements());
  if (status.ok() && assignment_asked_) {
    status = absl::FailedPreconditionError("NextAssignment is waiting for an answer already");
  }
  if (!status.ok()) {
    Complete<Assignment>(std::move(done), std::move(status));
    return;
  }
  assignment_asked_ = true;
  wire::ControlRequest request;
  request.mutable_assignment()->set_cycle(cycle_);
  request.mutable_assignment()->set_inner_steps(arrival.inner_steps);
  request.mutable_assignment()->set_busy_seconds(arrival.busy_seconds);
  links_[0]->requests().Add(
      std::move(request), deadline,
      [this, done = std::move(done)](absl::StatusOr<wire::ControlReply> reply) mutable {
        assignment_asked_ = false;
        if (reply.ok() && !reply->has_assignment()) {
          reply = absl::InternalError("the server answered without an assignment");
        }
        if (!reply.ok()) {  // asking again means the same cycle, and gets the same answer
          Complete<Assignment>(std::move(done), reply.status());
          return;
        }
        ++cycle_;
        Complete<Assignment>(std::move(done), wire::FromProto(reply->assignment()));
      });
}

void ClientCore::Stats(uint32_t index, absl::Time deadline, ResultDone<ServerStats> done) {
  absl::Status status = CheckJoined();
  if (status.ok() && index >= links_.size()) {
    status = absl::InvalidArgumentError(
        absl::StrCat("there is no server ", index, "; the last one is ", links_.size() - 1));
  }
  if (!status.ok()) {
    Complete<ServerStats>(std::move(done), std::move(status));
    return;
  }
  wire::ControlRequest request;
  request.mutable_stats();
  links_[index]->requests().Add(
      std::move(request), deadline,
      [this, done = std::move(done)](absl::StatusOr<wire::ControlReply> reply) mutable {
        if (reply.ok() && !reply->has_stats()) {
          reply = absl::InternalError("the server answered without statistics");
        }
        if (!reply.ok()) {
          Complete<ServerStats>(std::move(done), reply.status());
        } else {
          Complete<ServerStats>(std::move(done), wire::FromProto(reply->stats()));
        }
      });
}

void ClientCore::Snapshot(absl::Time deadline, StatusDone done) {
  if (absl::Status status = CheckJoined(); !status.ok()) {
    Complete(std::move(done), std::move(status));
    return;
  }
  AskAll(
      [deadline](ServerLink& link, ReplyDone reply) {
        wire::ControlRequest request;
        request.mutable_snapshot();
        link.requests().Add(std::move(request), deadline, std::move(reply));
      },
      [this, done = std::move(done)](absl::Status status) mutable {
        Complete(std::move(done), std::move(status));
      });
}

void ClientCore::AskAll(absl::AnyInvocable<void(ServerLink&, ReplyDone)> ask, StatusDone done) {
  struct Gathering {
    size_t missing;
    absl::Status status;
    StatusDone done;
  };
  auto all = std::make_shared<Gathering>(Gathering{links_.size(), {}, std::move(done)});
  for (auto& link : links_) {
    ask(*link, [all](const absl::StatusOr<wire::ControlReply>& reply) {
      all->status.Update(reply.status());
      if (--all->missing == 0) all->done(all->status);
    });
  }
}

// --- from any thread -------------------------------------------------------------------------------

std::vector<float> ClientCore::residual() const {
  const bool empty = std::all_of(links_.begin(), links_.end(), [](const auto& link) {
    return link->pushes().residual().empty();
  });
  if (empty) return {};
  std::vector<float> all(layout().elements(), 0.0f);
  for (const auto& link : links_) link->pushes().residual().CopyTo(absl::MakeSpan(all));
  return all;
}

ResidualStats ClientCore::residual_stats() const {
  Residual::Sums sums;
  for (const auto& link : links_) link->pushes().residual().AddTo(&sums);
  return {.norm = std::sqrt(sums.squares),
          .density = static_cast<double>(sums.nonzero) / static_cast<double>(layout().elements())};
}

absl::Status ClientCore::SetResidual(const std::vector<float>& residual) {
  if (!residual.empty()) {
    if (absl::Status status = CheckElements(residual.size()); !status.ok()) return status;
    if (absl::Status status = CheckFinite(residual, layout(), "residual"); !status.ok())
      return status;
  }
  for (auto& link : links_) link->pushes().residual().Set(residual);
  return absl::OkStatus();
}

std::vector<TransportReport> ClientCore::transport_reports() const {
  std::vector<TransportReport> all;
  for (const auto& link : links_) all.push_back(link->report());
  return all;
}

std::vector<ConnectionInfo> ClientCore::connections() const {
  std::vector<ConnectionInfo> all;
  for (const auto& link : links_) all.push_back(link->info());
  return all;
}

}  // namespace tideway
