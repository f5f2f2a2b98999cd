// What a run leaves behind: samples over time, end results, and the figures made from them.
//
// The launcher fills a RunRecord while it watches the servers' statistics; the report, the closing words on the terminal
// and metrics.jsonl are all made from it. Everything in here is plain data and pure functions.
#ifndef TIDEWAY_TRAINER_RUN_RECORD_H_
#define TIDEWAY_TRAINER_RUN_RECORD_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tideway/stats.h"
#include "trainer/byte_models.h"

namespace tideway::trainer {

// The statistics at one moment, of all servers together.
struct StatsSample {
  double seconds = 0;  // since training began
  ServerStats stats;
};

struct EvalSample {
  double seconds = 0;
  uint64_t steps = 0;  // inner steps over all workers, that the servers had seen
  double loss = 0;     // held out, nats per byte
};

struct RunRecord {
  std::vector<std::pair<std::string, std::string>> settings;
  int64_t parameters = 0;
  uint64_t tokens_per_step = 0;
  int workers = 0;
  uint64_t seed = 0;

  uint64_t steps_before = 0;  // of a resumed run: inner steps that its former lives took

  std::vector<StatsSample> samples;
  std::vector<EvalSample> evaluations;  // of a fixed part of the held-out text, while training
  std::vector<std::string> incidents;   // a worker that died, an interruption

  ByteModelLosses yardsticks;
  double loss_before = 0;  // of the whole held-out selection
  double loss_after = 0;
  double seconds = 0;  // of training
  std::string text_sample;
  bool interrupted = false;
};

// One view of several servers: bytes and pushes are summed, schedules and worker states are the leader's (stats[0]).
// Workers are matched by name.
ServerStats MergeStats(const std::vector<ServerStats>& stats);

// The figures to report, made from the last sample.
struct RunFigures {
  uint64_t steps = 0;   // with those of former lives
  uint64_t tokens = 0;  // of this life, as is all traffic
  uint64_t outer_commits = 0, pushes = 0, rejected = 0;
  double staleness_mean = 0;
  uint64_t staleness_max = 0;
  uint64_t bytes_up = 0, bytes_up_fp32 = 0, bytes_down = 0, bytes_down_fp32 = 0;
  double bytes_per_token = 0;        // up and down
  double bits_per_parameter_up = 0;  // per push
  double ratio_up_fp32 = 0, ratio_up_bf16 = 0;
  double ratio_down_fp32 = 0, ratio_down_bf16 = 0;
  // Synchronous data parallelism sends each worker's fp32 gradient once up and once down at every step.
  double data_parallel_bytes = 0;
  double data_parallel_bytes_per_token = 0;
  double data_parallel_ratio = 0;  // those bytes per byte of this run
  // When the held-out loss first fell below the order-2 byte model's; negative: never.
  double seconds_to_order2 = -1;
  uint64_t steps_to_order2 = 0;
  std::vector<std::pair<std::string, std::string>> transports;  // of each worker's data
  std::vector<std::pair<std::string, double>> utilisation;      // busy share of each worker's time
};

RunFigures MakeFigures(const RunRecord& record);

// The figures as rows of text, for tables.
std::vector<std::pair<std::string, std::string>> FigureRows(const RunRecord& record);

// The closing words on the terminal: losses, yardsticks, traffic; the text sample is not among them.
std::string RenderSummary(const RunRecord& record);

// metrics.jsonl: one JSON object, without newline.
std::string ToJsonLine(const StatsSample& sample);
std::string ToJsonLine(const EvalSample& evaluation);
std::string FinalJsonLine(const RunRecord& record);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_RUN_RECORD_H_
