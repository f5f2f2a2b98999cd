#include "bench/driver/train_plan.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/driver/measure.h"
#include "bench/driver/wire_plan.h"
#include "bench/driver/wires.h"
#include "tools/text_table.h"

namespace bench {
namespace {

using Json = nlohmann::json;
using tideway::tools::TextTable;

// Of all rounds.
struct TrainSummary {
  Estimate utilisation;
  double waiting_share = 0;  // of the time with communication
  // Of the inner steps while an exchange is under way; 0.02: they take 2 % longer. Then what of that is not the CPU seconds that
  // communication used, and how many more CPU seconds the steps themselves need.
  double slowdown = 0;
  Estimate slowdown_beyond_cpu;
  Estimate step_cpu_increase;
  double communication_cpu = 0;  // seconds on this host, for each second of inner steps
  double step_us = 0;            // an inner step alone
};

std::vector<double> Each(const std::vector<Measured>& rounds, double TrainTimes::*value) {
  std::vector<double> values;
  for (const Measured& round : rounds) values.push_back((*round.train).*value);
  return values;
}

// CPU seconds on the worker's host, without the computing thread's.
double CommunicationCpu(const Measured& round, bool one_host) {
  const double client = std::max(0.0, round.client_cpu_s - round.train->compute_cpu_s);
  return client + (one_host ? round.server_cpu_s : 0);
}

std::vector<double> SlowdownsBeyondCpu(const std::vector<Measured>& rounds, bool one_host) {
  std::vector<double> values;
  for (const Measured& round : rounds) {
    const double longer = round.train->computing_s - round.train->alone_s;
    values.push_back((longer - CommunicationCpu(round, one_host)) / round.train->alone_s);
  }
  return values;
}

std::vector<double> StepCpuIncreases(const std::vector<Measured>& rounds) {
  std::vector<double> values;
  for (const Measured& round : rounds) {
    values.push_back(round.train->computing_cpu_s / round.train->alone_cpu_s - 1);
  }
  return values;
}

TrainSummary SummariseTraining(const Result& result, size_t operations, bool one_host) {
  double alone = 0;
  double computing = 0;
  double waiting = 0;
  double with = 0;
  double communication_cpu = 0;
  for (const Measured& round : result.rounds) {
    alone += round.train->alone_s;
    computing += round.train->computing_s;
    waiting += round.train->waiting_s;
    with += round.train->with_s;
    communication_cpu += CommunicationCpu(round, one_host);
  }
  return {.utilisation = RatioOf(Each(result.rounds, &TrainTimes::alone_s),
                                 Each(result.rounds, &TrainTimes::with_s)),
          .waiting_share = waiting / with,
          .slowdown = computing / alone - 1,
          .slowdown_beyond_cpu = MedianOf(SlowdownsBeyondCpu(result.rounds, one_host)),
          .step_cpu_increase = MedianOf(StepCpuIncreases(result.rounds)),
          .communication_cpu = communication_cpu / alone,
          .step_us = 1e6 * alone / static_cast<double>(operations * result.what.inner_steps)};
}

// What an exchange was, in place of the whole cycle that it was a part of.
void CountExchanges(Measured& round) {
  round.latencies = round.train->exchanges;
  round.seconds = round.train->exchange_s;
  round.client_cpu_s = std::max(0.0, round.client_cpu_s - round.train->compute_cpu_s);
}

struct Trained {
  Result result;
  TrainSummary summary;
};

Json ToJson(const Trained& trained, const Flags& flags) {
  Json json = ToJson(trained.result);
  const TrainSummary& summary = trained.summary;
  json["parameters"] = trained.result.what.size_bytes / sizeof(float);
  json["step_us"] = summary.step_us;
  json["overlap"] = flags.overlap;
  json["utilisation"] = summary.utilisation.median;
  json["utilisation_interval"] = {summary.utilisation.low, summary.utilisation.high};
  json["communication_share"] = 1 - summary.utilisation.median;
  json["waiting_share"] = summary.waiting_share;
  json["slowdown"] = summary.slowdown;
  json["communication_cpu"] = summary.communication_cpu;
  json["slowdown_beyond_cpu"] = summary.slowdown_beyond_cpu.median;
  json["slowdown_beyond_cpu_interval"] = {summary.slowdown_beyond_cpu.low,
                                          summary.slowdown_beyond_cpu.high};
  json["step_cpu_increase"] = summary.step_cpu_increase.median;
  json["step_cpu_increase_interval"] = {summary.step_cpu_increase.low,
                                        summary.step_cpu_increase.high};
  return json;
}

std::string TableOf(const std::vector<Trained>& all) {
  TextTable table({{"transport"},
                   {"codec"},
                   {"parameters", TextTable::kRight},
                   {"inner steps", TextTable::kRight},
                   {"step ms", TextTable::kRight},
                   {"utilisation", TextTable::kRight},
                   {"interval", TextTable::kRight},
                   {"communication", TextTable::kRight},
                   {"waiting", TextTable::kRight},
                   {"steps slower by", TextTable::kRight},
                   {"communication CPU", TextTable::kRight},
                   {"slower beyond CPU", TextTable::kRight},
                   {"more CPU in steps", TextTable::kRight},
                   {"exchange p50 ms", TextTable::kRight},
                   {"CPU s/GB", TextTable::kRight}});
  for (const auto& [result, training] : all) {
    const Summary exchanges = Summarise(result.rounds);
    const Estimate& used = training.utilisation;
    table.AddRow(
        {result.what.transport, result.what.codec,
         absl::StrCat(result.what.size_bytes / sizeof(float)),
         absl::StrCat(result.what.inner_steps), absl::StrFormat("%.2f", 1e-3 * training.step_us),
         absl::StrFormat("%.3f", used.median), absl::StrFormat("%.3f-%.3f", used.low, used.high),
         absl::StrFormat("%.1f %%", 100 * (1 - used.median)),
         absl::StrFormat("%.1f %%", 100 * training.waiting_share),
         absl::StrFormat("%.1f %%", 100 * training.slowdown),
         absl::StrFormat("%.1f %%", 100 * training.communication_cpu),
         absl::StrFormat("%+.1f %%", 100 * training.slowdown_beyond_cpu.median),
         absl::StrFormat("%+.1f %%", 100 * training.step_cpu_increase.median),
         absl::StrFormat("%.1f", 1e-6 * exchanges.latencies.Quantile(0.5)),
         absl::StrFormat("%.3f", exchanges.cpu_s_per_gb.median)});
  }
  return table.ToString();
}

std::vector<Case> CasesOf(const Flags& flags, const std::vector<std::string>& transports) {
  std::vector<Case> cases;
  for (const std::string& transport : transports) {
    for (const size_t size : flags.sizes) {
      for (const std::string& codec : flags.codecs) {
        for (const size_t inner_steps : flags.inner_steps) {
          cases.push_back({.subcommand = flags.subcommand,
                           .transport = transport,
                           .size_bytes = size,
                           .codec = codec,
                           .inner_steps = inner_steps});
        }
      }
    }
  }
  return cases;
}

absl::StatusOr<Trained> MeasureOne(const Case& what, const MeasureSettings& settings,
                                   const CommandContext& context, Host& host, Progress& progress) {
  auto result = Measure(what, settings, context.transports, host, progress);
  if (!result.ok()) return result.status();
  size_t operations = 0;
  for (Measured& round : result->rounds) {
    if (!round.train.has_value()) return absl::InternalError("a program's answer has no train");
    operations += round.latencies.count();
  }
  const bool one_host = host.about().is_null();
  const TrainSummary summary = SummariseTraining(*result, operations, one_host);
  for (Measured& round : result->rounds) CountExchanges(round);
  return Trained{*std::move(result), summary};
}

}  // namespace

absl::StatusOr<Plan> TrainPlan(const Flags& flags, const CommandContext& context, Host& host) {
  const auto transports = ResolveTransports(context.transports, flags.transports);
  if (!transports.ok()) return transports.status();
  Plan plan;
  plan.cases = CasesOf(flags, *transports);
  plan.steps = plan.cases.size() * static_cast<size_t>(flags.rounds);
  const auto settings = std::make_shared<const MeasureSettings>(SettingsOf(flags, context, host));
  const auto all = std::make_shared<std::vector<Trained>>();
  plan.measure = [settings, all, &flags, &context, &host](
                     const Case& what, Progress& progress) -> absl::StatusOr<Json> {
    auto trained = MeasureOne(what, *settings, context, host, progress);
    if (!trained.ok()) return trained.status();
    all->push_back(*std::move(trained));
    return ToJson(all->back(), flags);
  };
  plan.table = [all] { return TableOf(*all); };
  return plan;
}

}  // namespace bench
