#include "bench/driver/breakdown.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/common/histogram.h"
#include "tools/text_table.h"

namespace bench {
namespace {

using Json = nlohmann::json;
using tideway::tools::TextTable;
using Push = std::vector<const FragmentTimes*>;

// By their begin, which all fragments of a push have in common. Those that the log had no room for all fragments of are left out.
std::vector<Push> PushesOf(const std::vector<FragmentTimes>& fragments) {
  std::map<int64_t, Push> by_begin;
  size_t whole = 0;
  for (const FragmentTimes& fragment : fragments) {
    Push& push = by_begin[fragment.at_ns.front()];
    push.push_back(&fragment);
    whole = std::max(whole, push.size());
  }
  std::vector<Push> pushes;
  for (auto& [begin, push] : by_begin) {
    if (push.size() == whole) pushes.push_back(std::move(push));
  }
  return pushes;
}

int64_t TookNs(const Push& push) {
  int64_t end = 0;
  for (const FragmentTimes* fragment : push) end = std::max(end, fragment->at_ns.back());
  return end - push.front()->at_ns.front();
}

// How long at least one of its fragments was in `stage`.
int64_t CoveredNs(const Push& push, size_t stage) {
  std::vector<std::pair<int64_t, int64_t>> spans;
  for (const FragmentTimes* fragment : push) {
    spans.emplace_back(fragment->begin_ns(stage), fragment->end_ns(stage));
  }
  std::sort(spans.begin(), spans.end());
  int64_t covered = 0;
  int64_t until = INT64_MIN;
  for (const auto& [begin, end] : spans) {
    covered += std::max<int64_t>(0, end - std::max(begin, until));
    until = std::max(until, end);
  }
  return covered;
}

StageSummary Summarise(const std::vector<FragmentTimes>& fragments, const std::vector<Push>& pushes,
                       size_t stage) {
  StageSummary summary;
  Histogram took;
  for (const FragmentTimes& fragment : fragments) {
    took.Record(static_cast<uint64_t>(fragment.took_ns(stage)));
    summary.mean_us += 1e-3 * static_cast<double>(fragment.took_ns(stage));
  }
  summary.mean_us /= static_cast<double>(std::max<size_t>(fragments.size(), 1));
  summary.p50_us = 1e-3 * took.Quantile(0.5);
  summary.p99_us = 1e-3 * took.Quantile(0.99);
  for (const Push& push : pushes) {
    summary.of_push += static_cast<double>(CoveredNs(push, stage)) /
                       static_cast<double>(std::max<int64_t>(TookNs(push), 1));
  }
  summary.of_push /= static_cast<double>(std::max<size_t>(pushes.size(), 1));
  return summary;
}

}  // namespace

Breakdown BreakDown(const std::vector<FragmentTimes>& fragments) {
  const std::vector<Push> pushes = PushesOf(fragments);
  Breakdown breakdown = {.fragments = fragments.size(), .pushes = pushes.size(), .stages = {}};
  Histogram took;
  for (const Push& push : pushes) took.Record(static_cast<uint64_t>(TookNs(push)));
  breakdown.push_p50_us = 1e-3 * took.Quantile(0.5);
  for (size_t stage = 0; stage < kStages.size(); ++stage) {
    breakdown.stages[stage] = Summarise(fragments, pushes, stage);
  }
  return breakdown;
}

Json ToJson(const Breakdown& breakdown) {
  Json json = {{"fragments", breakdown.fragments},
               {"pushes", breakdown.pushes},
               {"push_p50_us", breakdown.push_p50_us},
               {"stages", Json::array()}};
  for (size_t i = 0; i < kStages.size(); ++i) {
    const StageSummary& stage = breakdown.stages[i];
    json["stages"].push_back({{"stage", kStages[i].name},
                              {"mean_us", stage.mean_us},
                              {"p50_us", stage.p50_us},
                              {"p99_us", stage.p99_us},
                              {"of_push", stage.of_push}});
  }
  return json;
}

std::string BreakdownTable(const std::vector<std::pair<std::string, Breakdown>>& breakdowns) {
  TextTable table({{"stage of a fragment"},
                   {"mean us", TextTable::kRight},
                   {"p50 us", TextTable::kRight},
                   {"p99 us", TextTable::kRight},
                   {"of its push's time", TextTable::kRight},
                   {"case"}});
  for (const auto& [name, breakdown] : breakdowns) {
    for (size_t i = 0; i < kStages.size(); ++i) {
      const StageSummary& stage = breakdown.stages[i];
      table.AddRow({kStages[i].name, absl::StrFormat("%.1f", stage.mean_us),
                    absl::StrFormat("%.1f", stage.p50_us), absl::StrFormat("%.1f", stage.p99_us),
                    absl::StrFormat("%.0f %%", 100 * stage.of_push), name});
    }
  }
  return table.ToString();
}

}  // namespace bench
