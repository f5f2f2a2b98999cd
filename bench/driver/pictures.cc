// The pictures of a run.

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "bench/driver/bars.h"
#include "bench/driver/chart.h"
#include "bench/driver/link.h"
#include "bench/driver/report.h"
#include "bench/driver/result.h"
#include "bench/driver/stages.h"

namespace bench {
namespace {

using Json = nlohmann::json;
using Path = std::vector<std::string>;

// One figure of a result against its size, and the same of raw.
struct Picture {
  const char* name;
  const char* title;
  const char* unit;
  bool logarithmic;
  Path value;
  Path interval;  // empty: none
  bool with_raw;
};
const std::vector<Picture>& Pictures() {
  static const auto* const pictures = new std::vector<Picture>{
      {"goodput", "goodput", "GB/s", false, {"goodput_gbytes_per_s"}, {"goodput_interval"}, true},
      {"latency",
       "median latency",
       "us",
       true,
       {"latency_us", "p50"},
       {"latency_p50_interval_us"},
       true},
      {"cpu", "processor time of both ends", "s/GB", true, {"cpu_s_per_gb"}, {}, true},
      {"ratio",
       "Tideway over raw",
       "ratio",
       false,
       {"ratio_to_raw"},
       {"ratio_to_raw_interval"},
       false},
      {"utilisation",
       "utilisation of a worker",
       "share",
       false,
       {"utilisation"},
       {"utilisation_interval"},
       false},
      {"encode",
       "encoding with error feedback",
       "GB/s",
       false,
       {"encode_feedback", "gbytes_per_s"},
       {"encode_feedback", "interval"},
       false},
      {"decode",
       "decoding and adding",
       "GB/s",
       false,
       {"decode_add", "gbytes_per_s"},
       {"decode_add", "interval"},
       false},
  };
  return *pictures;
}

ChartPoint PointOf(const Json& result, const Json& side, const Picture& picture) {
  ChartPoint point = {.x = Figure(result, {"size_bytes"}), .value = Figure(side, picture.value)};
  point.low = point.high = point.value;
  if (picture.interval.empty()) return point;
  Path path = picture.interval;
  path.push_back("0");
  point.low = Figure(side, path);
  path.back() = "1";
  point.high = Figure(side, path);
  return point;
}

void AddPoint(ChartSeries& series, const ChartPoint& point) {
  if (std::isfinite(point.value)) series.points.push_back(point);
}

Chart ChartOf(const std::vector<const Json*>& results, const std::string& subcommand,
              const Picture& picture) {
  std::map<std::string, std::vector<const Json*>> lines;  // by transport and codec
  for (const Json* result : results) {
    const std::string codec = TextOf(*result, "codec");
    const double workers = Figure(*result, {"workers"});
    const std::string transport = TextOf(*result, "transport");
    const std::string name = transport == kNoTransport ? codec
                             : codec == "identity"     ? transport
                                                       : absl::StrCat(transport, " ", codec);
    const std::string link = TextOf(*result, "link");
    const double every = Figure(*result, {"inner_steps"});
    lines[absl::StrCat(name, workers > 0 ? absl::StrCat(" of ", workers) : "",
                       every > 0 ? absl::StrCat(" every ", every) : "",
                       link.empty() ? "" : absl::StrCat(" over ", link))]
        .push_back(result);
  }
  Chart chart = {.title = absl::StrCat(subcommand, ": ", picture.title),
                 .unit = picture.unit,
                 .logarithmic = picture.logarithmic};
  size_t colour = 0;
  for (const auto& [name, of_line] : lines) {
    ChartSeries ours = {.name = name, .colour = colour};
    ChartSeries raw = {.name = absl::StrCat(name, ", raw"), .colour = colour, .dashed = true};
    for (const Json* result : of_line) {
      AddPoint(ours, PointOf(*result, *result, picture));
      if (picture.with_raw && result->contains("raw")) {
        AddPoint(raw, PointOf(*result, (*result)["raw"], picture));
      }
    }
    for (ChartSeries* series : {&ours, &raw}) {
      std::sort(series->points.begin(), series->points.end(),
                [](const ChartPoint& a, const ChartPoint& b) { return a.x < b.x; });
      if (!series->points.empty()) chart.series.push_back(std::move(*series));
    }
    ++colour;
  }
  return chart;
}

// Leaves out lines of a single size, which a table says better. Whether there are others.
bool KeepCurves(Chart& chart) {
  std::erase_if(chart.series, [](const ChartSeries& series) {
    return series.points.empty() || series.points.front().x == series.points.back().x;
  });
  return !chart.series.empty();
}

// How long a fragment is in each stage, on average, for every case that tells it.
BarChart StagesOf(const Json& run) {
  BarChart chart = {.title = "stages of a fragment, mean", .unit = "us"};
  for (const Stage& stage : kStages) chart.parts.emplace_back(stage.name);
  for (const Json& result : run["results"]) {
    const auto breakdown = result.find("breakdown");
    if (breakdown == result.end() || !breakdown->is_object()) continue;
    const auto stages = breakdown->find("stages");
    if (stages == breakdown->end() || !stages->is_array()) continue;
    Bar bar = {.name = CaseName(result)};
    for (const Json& stage : *stages) {
      const double mean = Figure(stage, {"mean_us"});
      bar.parts.push_back(mean > 0 ? mean : 0);
    }
    if (bar.parts.size() == chart.parts.size()) chart.bars.push_back(std::move(bar));
  }
  return chart;
}

// Goodput against the rate of simulated links, a picture for each size and what else such links have in common, where there are
// several rates: where the lines of two codecs cross, the other one becomes the quicker.
std::vector<Chart> CrossoversOf(const Json& run) {
  std::map<std::string, std::map<std::string, ChartSeries>> by_title;  // and by codec
  for (const Json& result : run["results"]) {
    ChartPoint point = {.x = Figure(result, {"link_bits_per_s"}),
                        .value = Figure(result, {"goodput_gbytes_per_s"}),
                        .low = Figure(result, {"goodput_interval", "0"}),
                        .high = Figure(result, {"goodput_interval", "1"})};
    if (!std::isfinite(point.x) || !std::isfinite(point.value)) continue;
    const std::string codec = TextOf(result, "codec");
    ChartSeries& series = by_title[absl::StrCat(
        TextOf(result, "subcommand"), " of ", SizeName(Figure(result, {"size_bytes"})), ", delay ",
        absl::FormatDuration(absl::Microseconds(Figure(result, {"link_delay_us"}))),
        absl::StrFormat(", loss %g %%: goodput by the link's rate",
                        100 * Figure(result, {"link_loss"})))][codec];
    series.name = codec;
    series.points.push_back(point);
  }
  std::vector<Chart> charts;
  for (auto& [title, by_codec] : by_title) {
    Chart chart = {.title = title, .unit = "GB/s", .logarithmic = true, .x_name = RateText};
    for (auto& [codec, series] : by_codec) {
      std::sort(series.points.begin(), series.points.end(),
                [](const ChartPoint& a, const ChartPoint& b) { return a.x < b.x; });
      series.colour = chart.series.size();
      chart.series.push_back(std::move(series));
    }
    if (KeepCurves(chart)) charts.push_back(std::move(chart));
  }
  return charts;
}

}  // namespace

std::vector<NamedPicture> RunPictures(const Json& run) {
  std::vector<std::string> subcommands;
  std::map<std::string, std::vector<const Json*>> results;
  for (const Json& result : run["results"]) {
    // What bench/run_all put together of several runs stays apart.
    std::string subcommand = TextOf(result, "step");
    if (subcommand.empty()) subcommand = TextOf(result, "subcommand");
    const std::string form = TextOf(result, "form");
    if (!form.empty()) absl::StrAppend(&subcommand, "-", form);
    if (results[subcommand].empty()) subcommands.push_back(subcommand);
    results[subcommand].push_back(&result);
  }
  std::vector<NamedPicture> pictures;
  for (const std::string& subcommand : subcommands) {
    for (const Picture& picture : Pictures()) {
      Chart chart = ChartOf(results[subcommand], subcommand, picture);
      if (!KeepCurves(chart)) continue;
      pictures.push_back({absl::StrCat(subcommand, "-", picture.name), ToSvg(chart)});
    }
  }
  size_t crossovers = 0;
  for (const Chart& chart : CrossoversOf(run)) {
    pictures.push_back({absl::StrCat("crossover-", ++crossovers), ToSvg(chart)});
  }
  const BarChart stages = StagesOf(run);
  if (!stages.bars.empty()) pictures.push_back({"stages", ToSvg(stages)});
  return pictures;
}

}  // namespace bench
