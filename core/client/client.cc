// The Client's face: puts every call on the core's state strand.

#include "tideway/client.h"

#include <atomic>
#include <optional>
#include <utility>

#include "absl/synchronization/notification.h"
#include "core/client/client_config.h"
#include "core/client/client_core.h"
#include "core/runtime/forget.h"
#include "tideway/process_mark.h"

namespace tideway {
namespace {

class ClientImpl final : public Client {
 public:
  explicit ClientImpl(ClientConfig config)
      : gone_(std::make_shared<absl::Notification>()),
        core_(new ClientCore(std::move(config)), [gone = gone_](ClientCore* core) {
          delete core;
          gone->Notify();
        }) {
    core_->tasks().SetOwner(core_);
  }

  ~ClientImpl() override {
    if (!process_.IsHere()) {
      Forget(core_);
      return;
    }
    Close();
    core_.reset();
    // Tasks, timers and connections hold the core as well: it is gone when the last completion has returned.
    gone_->WaitForNotification();
  }

  void Join(absl::Time deadline, StatusDone done) override {
    if (FailedForFork(done)) return;
    Do([core = core_.get(), deadline, done = std::move(done)]() mutable {
      core->Join(deadline, std::move(done));
    });
  }

  void Push(absl::Span<const float> delta, const PushOptions& options, absl::Time deadline,
            ResultDone<PushReport> done) override {
    if (FailedForFork(done)) return;
    DoNow([core = core_.get(), delta, options, deadline, done = std::move(done)]() mutable {
      core->Push(delta, options, deadline, std::move(done));
    });
  }

  void Pull(absl::Span<float> destination, const PullOptions& options, absl::Time deadline,
            ResultDone<PullReport> done) override {
    if (FailedForFork(done)) return;
    DoNow([core = core_.get(), destination, options, deadline, done = std::move(done)]() mutable {
      core->Pull(destination, options, deadline, std::move(done));
    });
  }

  void PushPull(absl::Span<const float> delta, const PushOptions& push_options,
                absl::Span<float> destination, const PullOptions& pull_options, absl::Time deadline,
                ResultDone<PushPullReport> done) override {
    if (FailedForFork(done)) return;
    DoNow([core = core_.get(), delta, push_options, destination, pull_options, deadline,
           done = std::move(done)]() mutable {
      core->PushPull(delta, push_options, destination, pull_options, deadline, std::move(done));
    });
  }

  void NextAssignment(const Arrival* arrival, absl::Time deadline,
                      ResultDone<Assignment> done) override {
    if (FailedForFork(done)) return;
    Do([core = core_.get(), arrived = arrival == nullptr ? Arrival{} : *arrival, deadline,
        done = std::move(done)]() mutable {
      core->NextAssignment(arrived, deadline, std::move(done));
    });
  }

  void SetStatus(const WorkerStatus& status) override {
    if (!process_.IsHere()) return;
    Do([core = core_.get(), status] { core->SetStatus(status); });
  }

  void Stats(uint32_t index, absl::Time deadline, ResultDone<ServerStats> done) override {
    if (FailedForFork(done)) return;
    Do([core = core_.get(), index, deadline, done = std::move(done)]() mutable {
      core->Stats(index, deadline, std::move(done));
    });
  }

  void Snapshot(absl::Time deadline, StatusDone done) override {
    if (FailedForFork(done)) return;
    Do([core = core_.get(), deadline, done = std::move(done)]() mutable {
      core->Snapshot(deadline, std::move(done));
    });
  }

  void Leave(absl::Time deadline, StatusDone done) override {
    if (FailedForFork(done)) return;
    Do([core = core_.get(), deadline, done = std::move(done)]() mutable {
      core->Leave(deadline, std::move(done));
    });
  }

  absl::StatusOr<SharedVector> NewDelta() override {
    if (absl::Status here = process_.Check(); !here.ok()) return here;
    auto block = core_->shared_deltas().New(core_->layout().elements() * sizeof(float));
    if (!block.ok()) return block.status();
    return SharedVector(*std::move(block));
  }

  void Close() override {
    if (!process_.IsHere() || closed_.exchange(true)) return;
    Do([core = core_.get()] { core->Close(); });
  }

  std::vector<float> residual() const override {
    return process_.IsHere() ? core_->residual() : std::vector<float>();
  }
  ResidualStats residual_stats() const override {
    return process_.IsHere() ? core_->residual_stats() : ResidualStats();
  }
  absl::Status SetResidual(std::vector<float> residual) override {
    absl::Status here = process_.Check();
    return here.ok() ? core_->SetResidual(residual) : here;
  }
  const Layout& layout() const override { return core_->layout(); }
  std::vector<ConnectionInfo> connections() const override {
    return process_.IsHere() ? core_->connections() : std::vector<ConnectionInfo>();
  }
  std::vector<TransportReport> transport_reports() const override {
    return process_.IsHere() ? core_->transport_reports() : std::vector<TransportReport>();
  }

 private:
  // The task keeps the core alive, so it may name it by pointer.
  void Do(Task task) { core_->tasks().OnState(std::move(task)); }
  // The first steps of a push or pull are short: they are taken at once, by the caller's thread, unless another one is at it.
  void DoNow(Task task) { core_->tasks().OnStateForUser(std::move(task)); }

  // In a forked child no thread would ever complete the call: it has failed already.
  template <typename Done>
  bool FailedForFork(Done& done) const {
    absl::Status here = process_.Check();
    if (here.ok()) return false;
    done(std::move(here));
    return true;
  }

  const ProcessMark process_;
  const std::shared_ptr<absl::Notification> gone_;
  std::shared_ptr<ClientCore> core_;
  std::atomic<bool> closed_{false};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Create(Runtime* runtime, ClientOptions options,
                                                       const Layout& layout) {
  if (absl::Status here = runtime->CheckProcess(); !here.ok()) return here;
  absl::StatusOr<ClientConfig> config = MakeClientConfig(runtime, std::move(options), layout);
  if (!config.ok()) return config.status();
  return std::make_unique<ClientImpl>(*std::move(config));
}

}  // namespace tideway
