#include "trainer/plan.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::trainer {
namespace {

SchedulingOptions MakeScheduling(const Settings& s) {
  SchedulingOptions scheduling;
  const bool async = s.method == "async";
  scheduling.method = s.method == "sync-diloco" ? SchedulingOptions::Method::kSync
                                                : SchedulingOptions::Method::kAsync;
  scheduling.inner_steps = static_cast<uint32_t>(s.inner_steps);
  scheduling.dylu = async && s.dylu;
  scheduling.grace = async && s.grace;
  // All start together, so that the first window is everybody's.
  scheduling.workers_to_begin = static_cast<uint32_t>(s.workers);
  scheduling.inner_steps_total = static_cast<uint64_t>(s.steps) * static_cast<uint64_t>(s.workers);
  // TextData cuts equal shards, one per worker.
  scheduling.shard_sizes.assign(static_cast<size_t>(s.workers), 1);
  scheduling.seed = s.seed;
  return scheduling;
}

}  // namespace

ServerOptions MakeServerOptions(const Settings& s) {
  ServerOptions options;
  options.listen = s.listen;
  options.server_index = static_cast<uint32_t>(s.server_index);
  options.outer_optimizer = OuterOptimizerSpec(s);
  options.staleness = s.staleness;
  options.scheduling = MakeScheduling(s);
  options.snapshot_dir = SnapshotFolder(s, s.server_index);
  options.snapshot_interval = absl::Seconds(s.snapshot_seconds);
  return options;
}

LocalSgdOptions MakeWorkerOptions(const Settings& s) {
  LocalSgdOptions options;
  options.servers = s.connect;
  options.worker = WorkerName(s);
  options.codec_up = s.codec;
  options.codec_down = s.codec_down;
  options.pull_differences = s.pull_differences;
  options.error_feedback = s.error_feedback;
  options.residual_decay = static_cast<float>(s.residual_decay);
  options.momentum_correction = static_cast<float>(s.momentum_correction);
  options.fragment_bytes_max = static_cast<size_t>(s.fragment_bytes);
  options.overlap_steps = static_cast<uint32_t>(s.overlap);
  options.merge = s.merge == "alpha" ? MergeRule::kAlpha : MergeRule::kRebase;
  return options;
}

std::string RunFilePath(const Settings& s) { return absl::StrCat(s.out, "/run.json"); }

std::string SnapshotFolder(const Settings& s, int server_index) {
  return absl::StrCat(s.out, "/server-", server_index);
}

std::string CheckpointPath(const Settings& s, const std::string& worker_name) {
  return absl::StrCat(s.out, "/", worker_name, ".safetensors");
}

std::string LogPath(const Settings& s, const std::string& process_name) {
  return absl::StrCat(s.out, "/", process_name, ".log");
}

}  // namespace tideway::trainer
