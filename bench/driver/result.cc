#include "bench/driver/result.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/driver/breakdown.h"
#include "tools/size_text.h"
#include "tools/text_table.h"

namespace bench {
namespace {

using Json = nlohmann::json;
using tideway::tools::SizeText;
using tideway::tools::TextTable;

struct Percentile {
  const char* name;
  double share;
};
constexpr Percentile kPercentiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

double Goodput(const Measured& measured) { return measured.goodput_gbytes_per_s(); }
double Median(const Measured& measured) { return 1e-3 * measured.latencies.Quantile(0.5); }
double Cpu(const Measured& measured) { return measured.cpu_s_per_gb(); }

std::vector<double> Each(const std::vector<Measured>& rounds, double (*value)(const Measured&)) {
  std::vector<double> values(rounds.size());
  std::transform(rounds.begin(), rounds.end(), values.begin(), value);
  return values;
}

Json Interval(const Estimate& estimate) { return {estimate.low, estimate.high}; }

Json LatencyJson(const Histogram& latencies) {
  Json json;
  for (const Percentile& percentile : kPercentiles) {
    json[percentile.name] = 1e-3 * latencies.Quantile(percentile.share);
  }
  return json;
}

void AddSmallPushes(const Summary& summary, Json& json) {
  if (summary.small_pushes.count() == 0) return;
  json["small_push_latency_us"] = LatencyJson(summary.small_pushes);
}

// "push", "raw push".
std::string FormName(const Case& what) {
  return what.form.empty() ? what.subcommand : absl::StrCat(what.subcommand, " ", what.form);
}

std::string Range(const Estimate& estimate) {
  return absl::StrFormat("%.2f-%.2f", estimate.low, estimate.high);
}

}  // namespace

Json SideJson(const std::vector<Measured>& rounds) {
  const Summary summary = Summarise(rounds);
  return {{"goodput_gbytes_per_s", summary.goodput_gbytes_per_s.median},
          {"goodput_interval", Interval(summary.goodput_gbytes_per_s)},
          {"latency_us", LatencyJson(summary.latencies)},
          {"latency_p50_interval_us", Interval(summary.p50_us)},
          {"cpu_s_per_gb", summary.cpu_s_per_gb.median},
          {"cpu_s_per_gb_client", summary.client_cpu_s_per_gb},
          {"cpu_s_per_gb_server", summary.server_cpu_s_per_gb},
          {"confidence", summary.goodput_gbytes_per_s.confidence},
          {"operations", summary.latencies.count()},
          {"seconds", summary.seconds},
          {"rounds",
           {{"goodput_gbytes_per_s", Each(rounds, Goodput)},
            {"latency_p50_us", Each(rounds, Median)},
            {"cpu_s_per_gb", Each(rounds, Cpu)}}}};
}

Json CaseJson(const Case& what) {
  Json json = {{"subcommand", what.subcommand},
               {"transport", what.transport},
               {"size_bytes", what.size_bytes},
               {"codec", what.codec}};
  if (what.workers > 0) json["workers"] = what.workers;
  if (!what.form.empty()) json["form"] = what.form;
  if (what.inner_steps > 0) json["inner_steps"] = what.inner_steps;
  if (!what.link.empty()) json["link"] = what.link;
  return json;
}

std::string NameOf(const Case& what) {
  return absl::StrCat(FormName(what), " ",
                      what.transport == kNoTransport ? "" : absl::StrCat(what.transport, " "),
                      what.codec, " ", SizeText(what.size_bytes),
                      what.workers > 0 ? absl::StrCat(" of ", what.workers) : "",
                      what.inner_steps > 0 ? absl::StrCat(" every ", what.inner_steps) : "",
                      what.link.empty() ? "" : absl::StrCat(" over ", what.link));
}

Summary Summarise(const std::vector<Measured>& rounds) {
  Summary summary = {.goodput_gbytes_per_s = MedianOf(Each(rounds, Goodput)),
                     .p50_us = MedianOf(Each(rounds, Median)),
                     .cpu_s_per_gb = MedianOf(Each(rounds, Cpu))};
  double gigabytes = 0;
  for (const Measured& round : rounds) {
    summary.latencies.Merge(round.latencies);
    summary.small_pushes.Merge(round.small_pushes);
    summary.seconds += round.seconds;
    summary.client_cpu_s_per_gb += round.client_cpu_s;
    summary.server_cpu_s_per_gb += round.server_cpu_s;
    gigabytes += static_cast<double>(round.bytes) / 1e9;
  }
  summary.client_cpu_s_per_gb /= gigabytes;
  summary.server_cpu_s_per_gb /= gigabytes;
  return summary;
}

Estimate Result::GoodputRatio() const {
  return RatioOf(Each(rounds, Goodput), Each(raw_rounds, Goodput));
}

Estimate Result::LatencyRatio() const {
  return RatioOf(Each(rounds, Median), Each(raw_rounds, Median));
}

Estimate Result::CpuRatio() const { return RatioOf(Each(rounds, Cpu), Each(raw_rounds, Cpu)); }

Estimate Result::RatioToRaw() const { return by_latency() ? LatencyRatio() : GoodputRatio(); }

std::vector<FragmentTimes> Result::Fragments() const {
  std::vector<FragmentTimes> fragments;
  for (const Measured& round : rounds) {
    fragments.insert(fragments.end(), round.fragments.begin(), round.fragments.end());
  }
  return fragments;
}

Json ToJson(const Result& result) {
  Json json = CaseJson(result.what);
  json.update(SideJson(result.rounds));
  AddSmallPushes(Summarise(result.rounds), json);
  json["verified"] = true;  // else it would be a failure
  const std::vector<FragmentTimes> fragments = result.Fragments();
  if (!fragments.empty()) json["breakdown"] = ToJson(BreakDown(fragments));
  if (result.only_raw()) {
    json["program"] = result.raw_program;
    json["chunk_bytes"] = result.raw_chunk_bytes;
  }
  if (result.raw_rounds.empty()) return json;
  Json raw = SideJson(result.raw_rounds);
  raw["program"] = result.raw_program;
  raw["chunk_bytes"] = result.raw_chunk_bytes;
  json["raw"] = std::move(raw);
  const Estimate ratio = result.RatioToRaw();
  json["ratio_to_raw"] = ratio.median;
  json["ratio_to_raw_interval"] = Interval(ratio);
  json["ratio_of"] = result.by_latency() ? "latency_us.p50" : "goodput_gbytes_per_s";
  json["goodput_ratio_to_raw"] = result.GoodputRatio().median;
  json["latency_ratio_to_raw"] = result.LatencyRatio().median;
  json["cpu_ratio_to_raw"] = result.CpuRatio().median;
  json["cpu_ratio_to_raw_interval"] = Interval(result.CpuRatio());
  return json;
}

Json ToJson(const Failure& failure) {
  Json json = CaseJson(failure.what);
  json["error"] = failure.error;
  return json;
}

namespace {

// Which columns a table has beside those that all have.
struct Extras {
  explicit Extras(const std::vector<Result>& results) {
    for (const Result& result : results) {
      incast |= result.what.workers > 0;
      only_raw |= result.only_raw();
      beside_raw |= !result.raw_rounds.empty();
    }
  }
  bool incast = false;
  bool only_raw = false;
  bool beside_raw = false;
};

std::vector<TextTable::Column> ColumnsOf(const Extras& extras) {
  std::vector<TextTable::Column> columns = {{"what"}, {"transport"}, {"codec"}};
  const auto right = [&](std::initializer_list<const char*> titles) {
    for (const char* title : titles) columns.push_back({title, TextTable::kRight});
  };
  right({"size", "GB/s", "interval", "p50 us", "p99 us", "p99.9 us", "CPU s/GB"});
  if (extras.incast) right({"workers", "small push p50 us", "p99 us"});
  if (extras.only_raw) right({"program", "chunk"});
  if (extras.beside_raw) right({"raw GB/s", "raw p50 us", "ratio", "interval", "CPU ratio"});
  return columns;
}

void AddBesideRaw(const Result& result, std::vector<std::string>& cells) {
  if (result.raw_rounds.empty()) {
    cells.insert(cells.end(), 5, "-");
    return;
  }
  const Summary raw = Summarise(result.raw_rounds);
  const Estimate ratio = result.RatioToRaw();
  cells.push_back(absl::StrFormat("%.2f", raw.goodput_gbytes_per_s.median));
  cells.push_back(absl::StrFormat("%.1f", 1e-3 * raw.latencies.Quantile(0.5)));
  cells.push_back(absl::StrFormat("%.2f", ratio.median));
  cells.push_back(Range(ratio));
  cells.push_back(absl::StrFormat("%.2f", result.CpuRatio().median));
}

std::vector<std::string> CellsOf(const Result& result, const Extras& extras) {
  const Summary ours = Summarise(result.rounds);
  const auto quantile = [](const Histogram& latencies, double share) {
    return absl::StrFormat("%.1f", 1e-3 * latencies.Quantile(share));
  };
  std::vector<std::string> cells = {FormName(result.what),
                                    result.what.transport,
                                    result.what.codec,
                                    SizeText(result.what.size_bytes),
                                    absl::StrFormat("%.2f", ours.goodput_gbytes_per_s.median),
                                    Range(ours.goodput_gbytes_per_s),
                                    quantile(ours.latencies, 0.5),
                                    quantile(ours.latencies, 0.99),
                                    quantile(ours.latencies, 0.999),
                                    absl::StrFormat("%.3f", ours.cpu_s_per_gb.median)};
  if (extras.incast) {
    cells.push_back(absl::StrCat(result.what.workers));
    for (const double share : {0.5, 0.99}) cells.push_back(quantile(ours.small_pushes, share));
  }
  if (extras.only_raw) {
    cells.push_back(result.raw_program);
    cells.push_back(SizeText(result.raw_chunk_bytes));
  }
  if (extras.beside_raw) AddBesideRaw(result, cells);
  return cells;
}

}  // namespace

std::string ResultTable(const std::vector<Result>& results) {
  const Extras extras(results);
  TextTable table(ColumnsOf(extras));
  for (const Result& result : results) table.AddRow(CellsOf(result, extras));
  return table.ToString();
}

}  // namespace bench
