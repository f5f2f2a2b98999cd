#include "trainer/worker_role.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tideway/local_sgd.h"
#include "tideway/runtime.h"
#include "trainer/compute_threads.h"
#include "trainer/evaluation.h"
#include "trainer/file_io.h"
#include "trainer/gpt.h"
#include "trainer/inner_optimizer.h"
#include "trainer/make_runtime.h"
#include "trainer/model_binding.h"
#include "trainer/plan.h"
#include "trainer/schedule.h"
#include "trainer/text_data.h"
#include "trainer/worker_checkpoint.h"

namespace tideway::trainer {
namespace {

constexpr int kWorkerThreads = 1;  // of the library
constexpr absl::Duration kCheckpointInterval = absl::Seconds(20);

class Worker {
 public:
  Worker(const Settings& settings, TextData data, StopSignal* stop)
      : settings_(settings),
        data_(std::move(data)),
        stop_(stop),
        model_(settings.model, settings.seed),
        optimizer_(model_, {}),
        checkpoint_path_(CheckpointPath(settings, WorkerName(settings))) {
    const size_t index = static_cast<size_t>(settings.worker_index);
    if (index < settings.slow.size()) slowness_ = settings.slow[index];
  }

  absl::Status Run() {
    LocalSgdOptions options = MakeWorkerOptions(settings_);
    if (absl::Status s = LoadCheckpoint(&options); !s.ok()) return s;
    Runtime runtime(MakeRuntimeOptions(kWorkerThreads, /*verbose=*/true));
    absl::StatusOr<std::unique_ptr<LocalSgd>> sync =
        LocalSgd::Join(&runtime, std::move(options), ViewsOf(model_));
    if (!sync.ok()) return sync.status();
    stop_->OnStop([&sync] { (*sync)->RequestStop(); });
    absl::Cleanup forget = [this] { stop_->OnStop(nullptr); };

    const absl::Status trained = Train(sync->get());
    const absl::Status left = (*sync)->Leave();
    const absl::Status saved = SaveWorker(checkpoint_path_, optimizer_, (*sync)->residual());
    for (const absl::Status& status : {trained, saved, left}) {
      if (!status.ok() && !stop_->requested()) return status;
    }
    return saved;
  }

 private:
  // A former life's moments and residual. A worker that never got so far starts without.
  absl::Status LoadCheckpoint(LocalSgdOptions* options) {
    if (!settings_.continued) return absl::OkStatus();
    absl::StatusOr<std::vector<float>> residual = LoadWorker(checkpoint_path_, &optimizer_);
    if (absl::IsNotFound(residual.status())) return absl::OkStatus();
    if (!residual.ok()) return residual.status();
    options->residual = *std::move(residual);
    return absl::OkStatus();
  }

  absl::Status Train(LocalSgd* sync) {
    absl::Time checkpoint_due = absl::Now() + kCheckpointInterval;
    while (!sync->finished() && !stop_->requested()) {
      const absl::Time began = absl::Now();
      absl::StatusOr<InnerStepInfo> info = InnerStep(*sync);
      if (!info.ok()) return info.status();
      // A slow machine, played: what a step took is waited for again.
      if (slowness_ > 1) stop_->WaitFor((slowness_ - 1) * (absl::Now() - began));
      absl::StatusOr<SyncEvent> event = sync->AfterInnerStep(*info);
      if (!event.ok()) return event.status();
      const bool quiet = event->merged && settings_.overlap == 0;  // no exchange is under way
      if (quiet && absl::Now() >= checkpoint_due) {
        if (absl::Status s = SaveWorker(checkpoint_path_, optimizer_, sync->residual()); !s.ok()) {
          return s;
        }
        checkpoint_due = absl::Now() + kCheckpointInterval;
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<InnerStepInfo> InnerStep(const LocalSgd& sync) {
    const uint32_t shard = sync.shard();
    if (shard >= static_cast<uint32_t>(data_.shards())) {
      return absl::FailedPreconditionError(
          absl::StrCat("the server hands out data shard ", shard, " but --workers ", data_.shards(),
                       " makes fewer; give all processes the same --workers"));
    }
    const auto [inputs, targets] = ToTensors(
        data_.Sample(settings_.seed, static_cast<int>(shard), sync.shard_step(), settings_.batch));
    const torch::Tensor loss = model_.Loss(inputs, targets);
    loss.backward();
    optimizer_.Step(LearningRate(settings_.schedule, sync.schedule_progress()));
    InnerStepInfo info;
    info.loss = loss.item<double>();
    info.tokens = static_cast<uint64_t>(inputs.numel());
    return info;
  }

  const Settings& settings_;
  const TextData data_;
  StopSignal* const stop_;
  const Gpt model_;
  InnerOptimizer optimizer_;
  const std::string checkpoint_path_;
  double slowness_ = 1.0;
};

}  // namespace

absl::Status RunWorker(const Settings& settings, StopSignal* stop) {
  if (absl::Status s = CheckSpecs(settings); !s.ok()) return s;
  if (absl::Status s = MakeFolder(settings.out); !s.ok()) return s;
  absl::StatusOr<TextData> data = TextData::Load({.paths = settings.data,
                                                  .held_out_percent = settings.held_out_percent,
                                                  .shards = settings.workers,
                                                  .context = settings.model.context});
  if (!data.ok()) return data.status();
  SetComputeThreads(settings.threads);
  return Worker(settings, *std::move(data), stop).Run();
}

}  // namespace tideway::trainer
