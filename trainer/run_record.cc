#include "trainer/run_record.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "trainer/format.h"

namespace tideway::trainer {
namespace {

using Json = nlohmann::ordered_json;

double Ratio(double a, double b) {
  return b > 0 ? a / b : std::numeric_limits<double>::quiet_NaN();
}

void AddTraffic(const WorkerStats& from, WorkerStats* to) {
  const double pushes = static_cast<double>(to->pushes + from.pushes);
  if (pushes > 0) {
    to->staleness_mean = (to->staleness_mean * static_cast<double>(to->pushes) +
                          from.staleness_mean * static_cast<double>(from.pushes)) /
                         pushes;
  }
  to->staleness_max = std::max(to->staleness_max, from.staleness_max);
  to->pushes += from.pushes;
  to->rejected += from.rejected;
  to->duplicates += from.duplicates;
  to->bytes_up += from.bytes_up;
  to->bytes_up_fp32 += from.bytes_up_fp32;
  to->bytes_down += from.bytes_down;
  to->bytes_down_fp32 += from.bytes_down_fp32;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json WorkerJson(const WorkerStats& w) {
  return {{"name", w.name},
          {"active", w.active},
          {"incarnation", w.incarnation},
          {"inner_step", w.status.inner_step},
          {"loss", w.status.loss},
          {"tokens_per_second", w.status.tokens_per_second},
          {"tokens", w.status.tokens},
          {"busy_seconds", w.status.busy_seconds},
          {"waiting_seconds", w.status.waiting_seconds},
          {"residual_norm", w.status.residual_norm},
          {"residual_density", w.status.residual_density},
          {"pushes", w.pushes},
          {"rejected", w.rejected},
          {"staleness_mean", w.staleness_mean},
          {"staleness_max", w.staleness_max},
          {"bytes_up", w.bytes_up},
          {"bytes_up_fp32", w.bytes_up_fp32},
          {"bytes_down", w.bytes_down},
          {"bytes_down_fp32", w.bytes_down_fp32},
          {"transport", w.transport},
          {"transport_switches", w.transport_switches},
          {"shard", w.shard},
          {"inner_steps", w.inner_steps}};
}

}  // namespace

ServerStats MergeStats(const std::vector<ServerStats>& stats) {
  if (stats.empty()) return {};
  ServerStats all = stats[0];
  for (size_t i = 1; i < stats.size(); ++i) {
    const ServerStats& other = stats[i];
    all.version_min = std::min(all.version_min, other.version_min);
    all.version_max = std::max(all.version_max, other.version_max);
    all.outer_steps += other.outer_steps;
    all.buffered += other.buffered;
    all.rejected += other.rejected;
    all.duplicates += other.duplicates;
    all.sessions += other.sessions;
    all.sessions_refused += other.sessions_refused;
    all.staleness_histogram.resize(
        std::max(all.staleness_histogram.size(), other.staleness_histogram.size()));
    for (size_t s = 0; s < other.staleness_histogram.size(); ++s) {
      all.staleness_histogram[s] += other.staleness_histogram[s];
    }
    for (const WorkerStats& worker : other.workers) {
      for (WorkerStats& mine : all.workers) {
        if (mine.name == worker.name) AddTraffic(worker, &mine);
      }
    }
  }
  return all;
}

RunFigures MakeFigures(const RunRecord& record) {
  RunFigures f;
  if (record.samples.empty()) return f;
  const ServerStats& stats = record.samples.back().stats;
  f.steps = stats.steps_finished;
  const uint64_t steps_now = f.steps - std::min(f.steps, record.steps_before);
  f.tokens = steps_now * record.tokens_per_step;
  f.outer_commits = stats.version_max;
  double staleness_sum = 0;
  for (const WorkerStats& w : stats.workers) {
    f.pushes += w.pushes;
    f.rejected += w.rejected;
    staleness_sum += w.staleness_mean * static_cast<double>(w.pushes);
    f.staleness_max = std::max(f.staleness_max, w.staleness_max);
    f.bytes_up += w.bytes_up;
    f.bytes_up_fp32 += w.bytes_up_fp32;
    f.bytes_down += w.bytes_down;
    f.bytes_down_fp32 += w.bytes_down_fp32;
    f.transports.emplace_back(
        w.name, w.transport_switches == 0
                    ? w.transport
                    : absl::StrCat(w.transport, " (changed ", w.transport_switches, " times)"));
    f.utilisation.emplace_back(
        w.name, Ratio(w.status.busy_seconds, w.status.busy_seconds + w.status.waiting_seconds));
  }
  f.staleness_mean = f.pushes > 0 ? staleness_sum / static_cast<double>(f.pushes) : 0;
  const double up = static_cast<double>(f.bytes_up), down = static_cast<double>(f.bytes_down);
  const double up_fp32 = static_cast<double>(f.bytes_up_fp32);
  const double down_fp32 = static_cast<double>(f.bytes_down_fp32);
  f.bytes_per_token = Ratio(up + down, static_cast<double>(f.tokens));
  f.bits_per_parameter_up = 32.0 * Ratio(up, up_fp32);
  f.ratio_up_fp32 = Ratio(up_fp32, up);
  f.ratio_up_bf16 = Ratio(up_fp32 / 2, up);
  f.ratio_down_fp32 = Ratio(down_fp32, down);
  f.ratio_down_bf16 = Ratio(down_fp32 / 2, down);
  f.data_parallel_bytes =
      2.0 * 4.0 * static_cast<double>(record.parameters) * static_cast<double>(steps_now);
  f.data_parallel_bytes_per_token = Ratio(f.data_parallel_bytes, static_cast<double>(f.tokens));
  f.data_parallel_ratio = Ratio(f.data_parallel_bytes, up + down);
  for (const EvalSample& e : record.evaluations) {
    if (e.loss >= record.yardsticks.order2) continue;
    f.seconds_to_order2 = e.seconds;
    f.steps_to_order2 = e.steps;
    break;
  }
  return f;
}

std::vector<std::pair<std::string, std::string>> FigureRows(const RunRecord& record) {
  const RunFigures f = MakeFigures(record);
  std::vector<std::pair<std::string, std::string>> rows;
  const auto row = [&rows](std::string name, std::string value) {
    rows.emplace_back(std::move(name), std::move(value));
  };
  const auto loss = [](double nats) {
    return absl::StrFormat("%.4f nats per byte (perplexity %.3f)", nats, std::exp(nats));
  };
  row("Held-out loss before", loss(record.loss_before));
  row("Held-out loss after", loss(record.loss_after));
  row("Unigram byte model", loss(record.yardsticks.unigram));
  row("Order-2 byte model", loss(record.yardsticks.order2));
  row("Below the order-2 model after",
      f.seconds_to_order2 < 0
          ? "never"
          : absl::StrCat(Duration(f.seconds_to_order2), ", ", f.steps_to_order2, " local updates"));
  row("Local updates, over all workers", absl::StrCat(f.steps));
  row("Tokens (bytes of text)", absl::StrCat(f.tokens));
  row("Outer commits (version)", absl::StrCat(f.outer_commits));
  row("Time in training", Duration(record.seconds));
  row("Fragment pushes", absl::StrCat(f.pushes, ", ", f.rejected, " rejected as stale"));
  row("Staleness per push",
      absl::StrFormat("mean %.2f, max %d", f.staleness_mean, f.staleness_max));
  for (const auto& [name, share] : f.utilisation) {
    row(absl::StrCat("Utilisation of ", name), Fixed(100.0 * share, 1) + " %");
  }
  for (const auto& [name, transport] : f.transports) {
    row(absl::StrCat("Transport of ", name), transport);
  }
  row("Bytes up", absl::StrFormat("%s, %s x less than fp32, %s x less than bf16",
                                  Bytes(static_cast<double>(f.bytes_up)), Fixed(f.ratio_up_fp32, 2),
                                  Fixed(f.ratio_up_bf16, 2)));
  row("Bytes down", absl::StrFormat("%s, %s x less than fp32, %s x less than bf16",
                                    Bytes(static_cast<double>(f.bytes_down)),
                                    Fixed(f.ratio_down_fp32, 2), Fixed(f.ratio_down_bf16, 2)));
  row("Bits per parameter per push", Fixed(f.bits_per_parameter_up, 3));
  row("Bytes per token, up and down", Fixed(f.bytes_per_token, 1));
  row("Synchronous data parallelism would send",
      absl::StrFormat("%s (%s bytes per token), %s x as much", Bytes(f.data_parallel_bytes),
                      Fixed(f.data_parallel_bytes_per_token, 0), Fixed(f.data_parallel_ratio, 0)));
  row("Parameters", absl::StrCat(record.parameters));
  row("Seed", absl::StrCat(record.seed));
  return rows;
}

std::string RenderSummary(const RunRecord& record) {
  std::string out;
  for (const auto& [name, value] : FigureRows(record)) {
    absl::StrAppendFormat(&out, "  %-40s %s\n", name, value);
  }
  return out;
}

std::string ToJsonLine(const StatsSample& sample) {
  const ServerStats& s = sample.stats;
  Json workers = Json::array();
  for (const WorkerStats& worker : s.workers) workers.push_back(WorkerJson(worker));
  return Dump({{"kind", "stats"},
               {"seconds", sample.seconds},
               {"steps", s.steps_finished},
               {"steps_target", s.steps_target},
               {"version", s.version_max},
               {"window", s.window},
               {"grace_seconds", s.grace_seconds},
               {"staleness_histogram", s.staleness_histogram},
               {"workers", workers}});
}

std::string ToJsonLine(const EvalSample& evaluation) {
  return Dump({{"kind", "evaluation"},
               {"seconds", evaluation.seconds},
               {"steps", evaluation.steps},
               {"held_out_loss", evaluation.loss}});
}

std::string FinalJsonLine(const RunRecord& record) {
  const RunFigures f = MakeFigures(record);
  return Dump({{"kind", "final"},
               {"seconds", record.seconds},
               {"interrupted", record.interrupted},
               {"held_out_loss_before", record.loss_before},
               {"held_out_loss", record.loss_after},
               {"held_out_perplexity", std::exp(record.loss_after)},
               {"unigram_loss", record.yardsticks.unigram},
               {"order2_loss", record.yardsticks.order2},
               {"parameters", record.parameters},
               {"steps", f.steps},
               {"tokens", f.tokens},
               {"version", f.outer_commits},
               {"staleness_mean", f.staleness_mean},
               {"staleness_max", f.staleness_max},
               {"bytes_up", f.bytes_up},
               {"bytes_up_fp32", f.bytes_up_fp32},
               {"bytes_down", f.bytes_down},
               {"bytes_down_fp32", f.bytes_down_fp32},
               {"bytes_per_token", f.bytes_per_token},
               {"data_parallel_bytes_per_token", f.data_parallel_bytes_per_token},
               {"seed", record.seed}});
}

}  // namespace tideway::trainer
