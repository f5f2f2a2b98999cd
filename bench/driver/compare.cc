#include "bench/driver/compare.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/driver/report.h"
#include "tools/text_table.h"

namespace bench {
namespace {

using Json = nlohmann::json;
using tideway::tools::TextTable;

struct Compared {
  const char* figure;
  std::vector<std::string> value;
  std::string interval;
};

Compared WhatToCompare(const Json& before, const Json& after, bool latency) {
  if (before.contains("ratio_to_raw") && after.contains("ratio_to_raw")) {
    return {"ratio to raw", {"ratio_to_raw"}, "ratio_to_raw_interval"};
  }
  if (before.contains("utilisation") && after.contains("utilisation")) {
    return {"utilisation", {"utilisation"}, "utilisation_interval"};
  }
  if (latency) return {"p50 us", {"latency_us", "p50"}, "latency_p50_interval_us"};
  return {"GB/s", {"goodput_gbytes_per_s"}, "goodput_interval"};
}

Change ChangeOf(const std::string& name, const Json& before, const Json& after, double threshold) {
  const bool latency = absl::StartsWith(name, "latency ");
  const Compared what = WhatToCompare(before, after, latency);
  Change change = {.name = name,
                   .figure = what.figure,
                   .before = Figure(before, what.value),
                   .after = Figure(after, what.value)};
  const auto bound = [&](const Json& result, const char* which, double otherwise) {
    const double value = Figure(result, {what.interval, which});
    return std::isfinite(value) ? value : otherwise;
  };
  change.ratio = change.after / change.before;
  change.low = bound(after, "0", change.after) / bound(before, "1", change.before);
  change.high = bound(after, "1", change.after) / bound(before, "0", change.before);
  change.worse_by = latency ? change.ratio - 1 : 1 - change.ratio;
  const bool surely_worse = latency ? change.low > 1 : change.high < 1;
  change.regression = surely_worse && change.worse_by > threshold;
  return change;
}

std::map<std::string, const Json*> ByName(const Json& run) {
  std::map<std::string, const Json*> results;
  for (const Json& result : run["results"]) results[CaseName(result)] = &result;
  return results;
}

}  // namespace

Comparison Compare(const Json& before, const Json& after, double threshold) {
  const std::map<std::string, const Json*> old_results = ByName(before);
  const std::map<std::string, const Json*> new_results = ByName(after);
  Comparison comparison;
  for (const auto& [name, result] : old_results) {
    const auto found = new_results.find(name);
    if (found == new_results.end()) {
      comparison.only_before.push_back(name);
    } else {
      comparison.changes.push_back(ChangeOf(name, *result, *found->second, threshold));
    }
  }
  for (const auto& [name, result] : new_results) {
    if (!old_results.contains(name)) comparison.only_after.push_back(name);
  }
  return comparison;
}

std::string ComparisonTable(const Comparison& comparison) {
  TextTable table({{"case"},
                   {"figure"},
                   {"before", TextTable::kRight},
                   {"after", TextTable::kRight},
                   {"after/before", TextTable::kRight},
                   {"interval", TextTable::kRight},
                   {""}});
  for (const Change& change : comparison.changes) {
    const bool within = change.low <= 1 && 1 <= change.high;
    table.AddRow({change.name, change.figure, absl::StrFormat("%.3f", change.before),
                  absl::StrFormat("%.3f", change.after), absl::StrFormat("%.3f", change.ratio),
                  absl::StrFormat("%.3f-%.3f", change.low, change.high),
                  change.regression     ? "REGRESSION"
                  : within              ? "no difference shown"
                  : change.worse_by > 0 ? "worse, within the threshold"
                                        : "better"});
  }
  std::string text = comparison.changes.empty() ? "" : table.ToString();
  for (const std::string& name : comparison.only_before) {
    absl::StrAppend(&text, "only in the first: ", name, "\n");
  }
  for (const std::string& name : comparison.only_after) {
    absl::StrAppend(&text, "only in the second: ", name, "\n");
  }
  return text;
}

}  // namespace bench
