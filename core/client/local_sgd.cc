#include "tideway/local_sgd.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "core/client/finite.h"
#include "core/client/merge.h"
#include "core/client/step_meter.h"
#include "core/client/worker_cycle.h"
#include "core/runtime/forget.h"
#include "tideway/blocking.h"
#include "tideway/process_mark.h"
#include "tideway/shared_vector.h"

namespace tideway {
namespace {

constexpr absl::Duration kLeaveTimeout = absl::Seconds(5);

absl::StatusOr<Layout> LayoutOf(const std::vector<ParameterView>& parameters,
                                const LocalSgdOptions& options) {
  std::vector<TensorSpec> tensors;
  for (const ParameterView& view : parameters) {
    if (view.data == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("parameter '", view.name, "' has no memory"));
    }
    tensors.push_back({view.name, view.shape});
  }
  return Layout::Create(std::move(tensors),
                        {.fragment_bytes_max = options.fragment_bytes_max,
                         .servers = static_cast<uint32_t>(options.servers.size())});
}

absl::Status CheckOptions(const LocalSgdOptions& options) {
  if (!std::isfinite(options.alpha) || options.alpha < 0 || options.alpha > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("alpha is ", options.alpha, "; choose one in [0, 1]"));
  }
  if (options.servers.empty()) {
    return absl::InvalidArgumentError("no server is given; set LocalSgdOptions::servers");
  }
  return absl::OkStatus();
}

// The trainer's tensors as one flat vector.
class Parameters {
 public:
  explicit Parameters(std::vector<ParameterView> views) : views_(std::move(views)) {
    for (const ParameterView& view : views_) {
      size_t elements = 1;
      for (int64_t size : view.shape) elements *= static_cast<size_t>(size);
      sizes_.push_back(elements);
    }
  }

  // visit(the tensor's floats, its offset in the flat vector), one by one.
  template <typename Visit>
  void ForEach(Visit visit) const {
    size_t offset = 0;
    for (size_t i = 0; i < views_.size(); ++i) {
      visit(absl::MakeSpan(views_[i].data, sizes_[i]), offset);
      offset += sizes_[i];
    }
  }

  void CopyFrom(absl::Span<const float> flat) const {
    ForEach([flat](absl::Span<float> tensor, size_t offset) {
      std::copy_n(flat.begin() + offset, tensor.size(), tensor.begin());
    });
  }

  void CopyTo(absl::Span<float> flat) const {
    ForEach([flat](absl::Span<float> tensor, size_t offset) {
      std::copy(tensor.begin(), tensor.end(), flat.begin() + offset);
    });
  }

 private:
  std::vector<ParameterView> views_;
  std::vector<size_t> sizes_;
};

class LocalSgdImpl final : public LocalSgd {
 public:
  LocalSgdImpl(Runtime* runtime, LocalSgdOptions options, std::vector<ParameterView> parameters)
      : runtime_(runtime), options_(std::move(options)), parameters_(std::move(parameters)) {}

  ~LocalSgdImpl() override {
    (void)Leave();    // nobody is left to hear why it failed
    client_.reset();  // before the buffers that it may still use
    if (!process_.IsHere()) Forget(shared_);
  }

  absl::Status Start(const Layout& layout);

  absl::StatusOr<SyncEvent> AfterInnerStep(const InnerStepInfo& info) override;

  bool finished() const override { return finished_; }
  const Assignment& assignment() const override { return assignment_; }
  uint64_t shard_step() const override { return assignment_.shard_step + steps_in_shard_; }
  double schedule_progress() const override {
    const double steps = static_cast<double>(steps_in_shard_);
    return std::clamp(assignment_.progress_begin + steps * assignment_.progress_per_step, 0.0, 1.0);
  }
  uint64_t inner_steps() const override { return meter_.status().inner_step; }

  void RequestStop() override {
    if (!process_.IsHere()) return;
    absl::MutexLock lock(&shared_->mutex);
    shared_->stop_requested = true;
  }

  absl::Status Leave() override;
  std::vector<float> residual() const override { return client_->residual(); }
  Client& client() override { return *client_; }

 private:
  absl::Time Now() const { return runtime_->executor().Now(); }
  // Where a server may read deltas by itself, in memory that it can; else in any.
  absl::Span<float> NewVector();
  void TakeAssignment(const Assignment& assignment);
  absl::Status StartExchange();
  absl::Status MakeDelta();
  // Waits for the exchange under way and puts what it brought in place.
  absl::Status Merge(SyncEvent& event);
  absl::StatusOr<WorkerCycle::Outcome> WaitForOutcome(SyncEvent& event);
  void PutInPlace(bool final);
  bool AssignmentDone() const { return steps_ >= std::max<uint32_t>(assignment_.inner_steps, 1); }
  bool OutcomeIsThere() {
    absl::MutexLock lock(&shared_->mutex);
    return shared_->outcome.has_value();
  }

  // With completions and with who asks for a stop. Apart, so that a forked child can forget it.
  struct Shared {
    bool StopOrOutcome() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
      return stop_requested || outcome.has_value();
    }

    absl::Mutex mutex;
    bool stop_requested ABSL_GUARDED_BY(mutex) = false;
    std::optional<absl::StatusOr<WorkerCycle::Outcome>> outcome ABSL_GUARDED_BY(mutex);
  };

  const ProcessMark process_;
  Runtime* const runtime_;
  const LocalSgdOptions options_;
  const Parameters parameters_;

  // Training thread only.
  absl::Span<float>
      pulled_;  // the parameters as pulled; while an overlapped exchange runs, as pushed
  absl::Span<float> exchanged_;  // the delta on its way up, then the parameters on their way down
  std::deque<std::vector<float>> own_;  // what these lie in
  std::deque<SharedVector> neighbours_;
  Assignment assignment_;
  uint32_t steps_ = 0;           // of the delta that grows now
  uint64_t steps_in_shard_ = 0;  // since assignment_.shard_step
  uint32_t steps_overlapped_ = 0;
  bool exchanging_ = false;
  bool finished_ = false;
  bool left_ = false;
  absl::Status broken_;
  StepMeter meter_;

  std::unique_ptr<Shared> shared_ = std::make_unique<Shared>();
  std::unique_ptr<Client> client_;
  std::optional<WorkerCycle> cycle_;
};

absl::Status LocalSgdImpl::Start(const Layout& layout) {
  auto client = Client::Create(runtime_,
                               {.servers = options_.servers,
                                .worker = options_.worker,
                                .codec_up = options_.codec_up,
                                .codecs_up = options_.codecs_up,
                                .codec_down = options_.codec_down,
                                .pull_differences = options_.pull_differences,
                                .error_feedback = options_.error_feedback,
                                .residual_decay = options_.residual_decay,
                                .momentum_correction = options_.momentum_correction,
                                .factor_masking = options_.factor_masking,
                                .keep_rejected = options_.keep_rejected,
                                .bytes_in_flight_max = options_.bytes_in_flight_max,
                                .reconnect_timeout = options_.reconnect_timeout,
                                .one_sided_pull = options_.one_sided_pull},
                               layout);
  if (!client.ok()) return client.status();
  client_ = *std::move(client);
  cycle_.emplace(client_.get());
  if (absl::Status status = client_->SetResidual(options_.residual); !status.ok()) return status;
  absl::Status joined =
      Await([this](auto done) { client_->Join(Now() + options_.join_timeout, std::move(done)); });
  if (!joined.ok()) return joined;
  pulled_ = NewVector();
  exchanged_ = NewVector();
  // The first assignment may have to wait until enough workers are there: that is an exchange, not a handshake.
  auto begun = AwaitResult<WorkerCycle::Outcome>([this](auto done) {
    cycle_->Begin(pulled_, Now() + options_.exchange_timeout, std::move(done));
  });
  if (!begun.ok()) return begun.status();
  TakeAssignment(begun->assignment);
  parameters_.CopyFrom(pulled_);
  meter_.Resume(Now());
  return absl::OkStatus();
}

absl::Span<float> LocalSgdImpl::NewVector() {
  const std::vector<ConnectionInfo> connections = client_->connections();
  const bool neighbour = std::any_of(connections.begin(), connections.end(),
                                     [](const ConnectionInfo& info) { return info.in_memory; });
  if (neighbour && options_.codec_up == "identity") {
    auto shared = client_->NewDelta();
    if (shared.ok()) return neighbours_.emplace_back(*std::move(shared)).span();
  }
  return absl::MakeSpan(own_.emplace_back(client_->layout().elements()));
}

void LocalSgdImpl::TakeAssignment(const Assignment& assignment) {
  assignment_ = assignment;
  if (options_.inner_steps != 0) assignment_.inner_steps = options_.inner_steps;
  finished_ = assignment_.finished;
}

absl::StatusOr<SyncEvent> LocalSgdImpl::AfterInnerStep(const InnerStepInfo& info) {
  if (absl::Status here = process_.Check(); !here.ok()) return here;
  if (!broken_.ok()) return broken_;
  if (left_ || finished_) {
    return absl::FailedPreconditionError(left_ ? "this worker has left" : "the run is finished");
  }
  meter_.Step(Now(), info.loss, info.tokens);
  ++steps_;
  ++steps_in_shard_;
  client_->SetStatus(meter_.status());
  SyncEvent event;
  absl::Status status;
  if (exchanging_ && (++steps_overlapped_ >= options_.overlap_steps || OutcomeIsThere())) {
    status = Merge(event);
  }
  if (status.ok() && !exchanging_ && !finished_ && AssignmentDone()) {
    status = StartExchange();
    event.pushed = status.ok();
    if (status.ok() && options_.overlap_steps == 0) status = Merge(event);
  }
  meter_.Resume(Now());
  if (status.ok()) return event;
  if (!absl::IsInvalidArgument(status)) broken_ = status;
  return status;
}

absl::Status LocalSgdImpl::MakeDelta() {
  bool finite = true;
  parameters_.ForEach([this, &finite](absl::Span<float> tensor, size_t offset) {
    const auto delta = exchanged_.subspan(offset, tensor.size());
    finite &= merge::MakeDelta(pulled_.subspan(offset, tensor.size()), tensor, delta);
  });
  return finite ? absl::OkStatus() : CheckFinite(exchanged_, client_->layout(), "delta");
}

absl::Status LocalSgdImpl::StartExchange() {
  if (absl::Status status = MakeDelta(); !status.ok()) return status;
  // From here on the inner steps count for the next delta, which starts from here (rebase needs where that was).
  if (options_.overlap_steps > 0) parameters_.CopyTo(pulled_);
  const Arrival arrival{.inner_steps = steps_, .busy_seconds = meter_.TakeBusySeconds()};
  steps_ = 0;
  steps_overlapped_ = 0;
  exchanging_ = true;
  cycle_->Exchange(exchanged_, arrival, exchanged_, Now() + options_.exchange_timeout,
                   [this](absl::StatusOr<WorkerCycle::Outcome> outcome) {
                     absl::MutexLock lock(&shared_->mutex);
                     shared_->outcome = std::move(outcome);
                   });
  return absl::OkStatus();
}

absl::StatusOr<WorkerCycle::Outcome> LocalSgdImpl::WaitForOutcome(SyncEvent& event) {
  const absl::Time since = Now();
  absl::MutexLock lock(&shared_->mutex);
  shared_->mutex.Await(absl::Condition(shared_.get(), &Shared::StopOrOutcome));
  const absl::Duration waited = Now() - since;
  meter_.Waited(waited);
  event.waited_seconds += absl::ToDoubleSeconds(waited);
  if (!shared_->outcome.has_value()) return absl::CancelledError("a stop was requested");
  absl::StatusOr<WorkerCycle::Outcome> outcome = *std::move(shared_->outcome);
  shared_->outcome.reset();
  exchanging_ = false;
  return outcome;
}

absl::Status LocalSgdImpl::Merge(SyncEvent& event) {
  absl::StatusOr<WorkerCycle::Outcome> outcome = WaitForOutcome(event);
  if (!outcome.ok()) return outcome.status();
  event.merged = true;
  event.push = outcome->push;
  event.pull = outcome->pull;
  meter_.Exchanged(client_->residual_stats());
  TakeAssignment(outcome->assignment);
  steps_in_shard_ = steps_;
  PutInPlace(finished_ || options_.overlap_steps == 0);
  return absl::OkStatus();
}

void LocalSgdImpl::PutInPlace(bool final) {
  if (final) {
    parameters_.CopyFrom(exchanged_);
  } else {
    parameters_.ForEach([this](absl::Span<float> tensor, size_t offset) {
      const auto came = exchanged_.subspan(offset, tensor.size());
      if (options_.merge == MergeRule::kAlpha) {
        merge::Mix(came, static_cast<float>(options_.alpha), tensor);
      } else {
        merge::Rebase(came, pulled_.subspan(offset, tensor.size()), tensor);
      }
    });
  }
  std::swap(pulled_, exchanged_);
}

absl::Status LocalSgdImpl::Leave() {
  if (left_ || client_ == nullptr) return absl::OkStatus();
  left_ = true;
  absl::Status status =
      Await([this](auto done) { client_->Leave(Now() + kLeaveTimeout, std::move(done)); });
  client_->Close();
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalSgd>> LocalSgd::Join(Runtime* runtime, LocalSgdOptions options,
                                                         std::vector<ParameterView> parameters) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  absl::StatusOr<Layout> layout = LayoutOf(parameters, options);
  if (!layout.ok()) return layout.status();
  auto local = std::make_unique<LocalSgdImpl>(runtime, std::move(options), std::move(parameters));
  if (absl::Status status = local->Start(*layout); !status.ok()) return status;
  return local;
}

}  // namespace tideway
