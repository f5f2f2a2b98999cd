#include "trainer/launcher.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tideway/runtime.h"
#include "trainer/compute_threads.h"
#include "trainer/crew.h"
#include "trainer/evaluation.h"
#include "trainer/file_io.h"
#include "trainer/format.h"
#include "trainer/gpt.h"
#include "trainer/make_runtime.h"
#include "trainer/metrics_file.h"
#include "trainer/model_binding.h"
#include "trainer/observer.h"
#include "trainer/plan.h"
#include "trainer/progress.h"
#include "trainer/report.h"
#include "trainer/run_record.h"
#include "trainer/text_data.h"

namespace tideway::trainer {
namespace {

constexpr absl::Duration kLookInterval = absl::Milliseconds(250);
constexpr double kSampleInterval_s = 1.0;
constexpr int kFinalEvaluationBatches = 32;  // at least, before and after training
constexpr double kTemperature = 0.8;

class LocalRun {
 public:
  LocalRun(const Settings& settings, const std::string& program, StopSignal* stop, TextData data)
      : settings_(settings),
        stop_(stop),
        data_(std::move(data)),
        model_(settings.model, settings.seed),
        runtime_(MakeRuntimeOptions(/*threads=*/1, /*verbose=*/false)),
        crew_(program, settings_),
        printer_(stdout, !settings.plain && isatty(STDOUT_FILENO)) {}

  absl::Status Run() {
    if (absl::Status s = Prepare(); !s.ok()) return s;
    absl::StatusOr<std::vector<std::string>> servers = crew_.StartServers();
    if (!servers.ok()) return servers.status();
    absl::StatusOr<Layout> layout = LayoutOf(model_, settings_);
    if (!layout.ok()) return layout.status();
    auto observer = Observer::Connect(&runtime_, *servers, *layout);
    if (!observer.ok()) return observer.status();
    observer_ = *std::move(observer);
    if (absl::Status s = EvaluateAll(&record_.loss_before); !s.ok()) return s;
    if (absl::Status s = crew_.StartWorkers(); !s.ok()) return s;
    printer_.Say(absl::StrFormat("%d workers at %s; logs in %s/", settings_.workers,
                                 absl::StrJoin(*servers, ", "), settings_.out));
    began_ = absl::Now();
    if (absl::Status s = Watch(); !s.ok()) return s;
    return Conclude();
  }

 private:
  double Seconds() const { return absl::ToDoubleSeconds(absl::Now() - began_); }

  absl::Status Prepare() {
    SetComputeThreads(1);
    if (absl::Status s = WriteFileAtomically(RunFilePath(settings_), ToJson(settings_)); !s.ok()) {
      return s;
    }
    if (absl::Status s = metrics_.Open(settings_.out + "/metrics.jsonl", settings_.continued);
        !s.ok()) {
      return s;
    }
    record_.settings = SettingRows(settings_);
    record_.parameters = ParameterCount(settings_.model);
    record_.tokens_per_step =
        static_cast<uint64_t>(settings_.batch) * static_cast<uint64_t>(settings_.model.context);
    record_.workers = settings_.workers;
    record_.seed = settings_.seed;
    record_.yardsticks = MeasureByteModels(data_.training(), data_.held_out());
    few_ = data_.HeldOut(settings_.eval_batches * kEvaluationRows);
    many_ =
        data_.HeldOut(std::max(kFinalEvaluationBatches, settings_.eval_batches) * kEvaluationRows);
    printer_.Say(absl::StrFormat(
        "%s bytes of text, %s held out; a model of %s parameters",
        Count(static_cast<double>(data_.training().size() + data_.held_out().size())),
        Count(static_cast<double>(data_.held_out().size())),
        Count(static_cast<double>(record_.parameters))));
    return absl::OkStatus();
  }

  // The servers' parameters, judged on the whole held-out selection.
  absl::Status EvaluateAll(double* loss) {
    if (absl::Status s = PullModel(); !s.ok()) return s;
    *loss = HeldOutLoss(model_, many_);
    return absl::OkStatus();
  }

  absl::Status PullModel() {
    std::vector<float> parameters(static_cast<size_t>(record_.parameters));
    if (absl::Status s = observer_->Pull(absl::MakeSpan(parameters)); !s.ok()) return s;
    SetParameters(model_, parameters);
    return absl::OkStatus();
  }

  absl::Status Watch() {
    double evaluation_due = settings_.eval_seconds;
    while (true) {
      const bool stopping = stop_->WaitFor(kLookInterval);
      if (absl::Status s = Look(); !s.ok()) return s;
      if (stopping) return Interrupt();
      if (!crew_.AnyWorkerAlive()) break;
      if (Seconds() >= evaluation_due) {
        if (absl::Status s = Evaluate(); !s.ok()) return s;
        evaluation_due = Seconds() + settings_.eval_seconds;
      }
    }
    record_.seconds = Seconds();
    if (!crew_.AnyWorkerFinished()) {
      return absl::UnavailableError(absl::StrCat(
          "No worker is left; the reasons are in the logs in ", settings_.out,
          "/. tideway-train --resume ", settings_.out, " goes on from the last snapshot."));
    }
    return absl::OkStatus();
  }

  absl::Status Look() {
    if (absl::Status s = crew_.CheckServers(); !s.ok()) return s;
    for (std::string& incident : crew_.WatchWorkers()) {
      printer_.Say(incident);
      record_.incidents.push_back(
          absl::StrCat("After ", Duration(Seconds()), ": ", std::move(incident)));
    }
    absl::StatusOr<ServerStats> stats = observer_->Stats();
    if (!stats.ok()) return stats.status();
    const double now = Seconds();
    if (record_.samples.empty()) record_.steps_before = stats->steps_finished;
    if (record_.samples.empty() || now - record_.samples.back().seconds >= kSampleInterval_s) {
      AddSample({now, *stats});
    }
    printer_.Show(MakeView(*stats, now));
    return absl::OkStatus();
  }

  void AddSample(StatsSample sample) {
    metrics_.Add(ToJsonLine(sample));
    record_.samples.push_back(std::move(sample));
  }

  absl::Status Evaluate() {
    if (absl::Status s = PullModel(); !s.ok()) return s;
    const uint64_t steps =
        record_.samples.empty() ? 0 : record_.samples.back().stats.steps_finished;
    record_.evaluations.push_back({Seconds(), steps, HeldOutLoss(model_, few_)});
    metrics_.Add(ToJsonLine(record_.evaluations.back()));
    return absl::OkStatus();
  }

  ProgressView MakeView(const ServerStats& stats, double now) const {
    ProgressView view;
    view.title = settings_.method;
    view.seconds = now;
    view.steps = stats.steps_finished;
    view.steps_target = stats.steps_target;
    view.version = stats.version_max;
    if (!record_.evaluations.empty()) view.held_out_loss = record_.evaluations.back().loss;
    const uint64_t done =
        stats.steps_finished - std::min(stats.steps_finished, record_.steps_before);
    if (done > 0 && stats.steps_target >= stats.steps_finished) {
      view.seconds_left = now * static_cast<double>(stats.steps_target - stats.steps_finished) /
                          static_cast<double>(done);
    }
    for (const WorkerStats& w : stats.workers) view.workers.push_back(MakeRow(w));
    return view;
  }

  static WorkerRow MakeRow(const WorkerStats& w) {
    WorkerRow row;
    row.name = w.name;
    row.state = w.active ? "active" : "gone";
    row.inner_step = w.status.inner_step;
    row.tokens_per_second = w.status.tokens_per_second;
    row.loss = w.status.loss;
    row.staleness_mean = w.staleness_mean;
    row.staleness_max = w.staleness_max;
    row.bytes_up = w.bytes_up;
    row.bytes_down = w.bytes_down;
    if (w.bytes_up > 0) {
      row.ratio_up = static_cast<double>(w.bytes_up_fp32) / static_cast<double>(w.bytes_up);
    }
    return row;
  }

  absl::Status Interrupt() {
    printer_.Finish();
    printer_.Say("Stopping: workers and servers write their checkpoints.");
    record_.interrupted = true;
    record_.seconds = Seconds();
    record_.incidents.push_back(absl::StrCat("Interrupted after ", Duration(record_.seconds),
                                             "; tideway-train --resume ", settings_.out,
                                             " goes on."));
    if (!crew_.StopWorkers()) printer_.Say("A worker ended without a checkpoint; see its log.");
    return absl::OkStatus();
  }

  // The workers are gone, the servers still there: last figures, model, report.
  absl::Status Conclude() {
    absl::StatusOr<ServerStats> stats = observer_->Stats();
    if (!stats.ok()) return stats.status();
    AddSample({record_.seconds, *stats});
    printer_.Show(MakeView(*stats, record_.seconds));
    printer_.Finish();
    if (absl::Status s = EvaluateAll(&record_.loss_after); !s.ok()) return s;
    record_.evaluations.push_back(
        {record_.seconds, stats->steps_finished, HeldOutLoss(model_, few_)});
    record_.text_sample =
        SampleText(model_, settings_.prompt, settings_.sample_bytes, kTemperature, settings_.seed);
    metrics_.Add(ToJsonLine(record_.evaluations.back()));
    metrics_.Add(FinalJsonLine(record_));
    observer_.reset();
    const bool clean = crew_.StopServers();
    if (absl::Status s = WriteResults(); !s.ok()) return s;
    PrintResults();
    if (!clean) {
      return absl::UnavailableError(absl::StrCat(
          "A server ended without its last snapshot; see the logs in ", settings_.out, "/."));
    }
    return metrics_.status();
  }

  absl::Status WriteResults() {
    if (absl::Status s = SaveModel(model_, settings_.out + "/model.safetensors",
                                   {{"format", "pt"},
                                    {"held_out_loss", absl::StrCat(record_.loss_after)},
                                    {"heads", absl::StrCat(settings_.model.heads)}});
        !s.ok()) {
      return s;
    }
    return WriteFileAtomically(settings_.out + "/report.html", RenderReport(record_));
  }

  void PrintResults() {
    printer_.Say(absl::StrCat("\n", RenderSummary(record_), "\nA sample of its writing:\n",
                              Printable(record_.text_sample), "\n"));
    for (const char* file : {"report.html", "metrics.jsonl", "model.safetensors"}) {
      printer_.Say(absl::StrCat("  ", settings_.out, "/", file));
    }
    if (record_.interrupted) {
      printer_.Say(absl::StrCat("Go on with: tideway-train --resume ", settings_.out));
    }
  }

  const Settings settings_;
  StopSignal* const stop_;
  const TextData data_;
  const Gpt model_;
  Batch few_, many_;  // of the held-out text
  Runtime runtime_;
  Crew crew_;
  std::unique_ptr<Observer> observer_;
  ProgressPrinter printer_;
  MetricsFile metrics_;
  RunRecord record_;
  absl::Time began_;
};

// A former run's snapshots would be mistaken for this one's.
absl::Status CheckFolder(const Settings& settings) {
  if (settings.continued) return absl::OkStatus();
  for (int i = 0; i < settings.servers; ++i) {
    std::error_code error;
    std::filesystem::remove_all(SnapshotFolder(settings, i), error);
  }
  for (int i = 0; i < settings.workers; ++i) {
    std::error_code error;
    std::filesystem::remove(CheckpointPath(settings, absl::StrCat("worker-", i)), error);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunLocally(const Settings& given, const std::string& program, StopSignal* stop) {
  Settings settings = given;
  settings.continued = !settings.resume.empty();
  if (absl::Status s = CheckSpecs(settings); !s.ok()) return s;
  absl::StatusOr<TextData> data = TextData::Load({.paths = settings.data,
                                                  .held_out_percent = settings.held_out_percent,
                                                  .shards = settings.workers,
                                                  .context = settings.model.context});
  if (!data.ok()) return data.status();
  if (absl::Status s = MakeFolder(settings.out); !s.ok()) return s;
  if (absl::Status s = CheckFolder(settings); !s.ok()) return s;
  return LocalRun(settings, program, stop, *std::move(data)).Run();
}

}  // namespace tideway::trainer
