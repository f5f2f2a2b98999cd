#include "trainer/report.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trainer/format.h"
#include "trainer/report_style.h"
#include "trainer/svg.h"

namespace tideway::trainer {
namespace {

using WorkerValue = std::function<double(const WorkerStats&)>;

// One series per worker of (seconds, value); values that are not above zero are left out.
std::vector<Series> PerWorker(const RunRecord& record, const std::string& suffix,
                              const WorkerValue& x, const WorkerValue& y) {
  std::map<std::string, Series> by_name;
  for (const StatsSample& sample : record.samples) {
    for (const WorkerStats& worker : sample.stats.workers) {
      const double value = y(worker);
      if (!(value > 0)) continue;
      Series& series = by_name[worker.name];
      series.name = worker.name + suffix;
      const double at = x ? x(worker) : sample.seconds;
      // A restarted worker counts its steps from zero again.
      if (!series.points.empty() && at < series.points.back().first) continue;
      series.points.emplace_back(at, value);
    }
  }
  std::vector<Series> all;
  for (auto& [name, series] : by_name) all.push_back(std::move(series));
  return all;
}

std::vector<std::pair<std::string, double>> Yardsticks(const RunRecord& record) {
  return {{"unigram", record.yardsticks.unigram}, {"order 2", record.yardsticks.order2}};
}

Series HeldOut(const RunRecord& record, bool against_seconds) {
  Series series = {.name = "held out", .points = {}, .emphasised = true};
  for (const EvalSample& e : record.evaluations) {
    const double steps = static_cast<double>(e.steps) / std::max(1, record.workers);
    series.points.emplace_back(against_seconds ? e.seconds : steps, e.loss);
  }
  return series;
}

// The start of a run would flatten all that follows.
double LossTop(const RunRecord& record) { return std::max(1.0, record.yardsticks.unigram * 1.15); }

std::string LossAgainstSteps(const RunRecord& record) {
  LineChart chart = {.title = "Loss against inner steps",
                     .x_label = "inner steps per worker",
                     .y_label = "nats per byte",
                     .series = {HeldOut(record, false)},
                     .levels = Yardsticks(record),
                     .y_max = LossTop(record)};
  for (Series& s : PerWorker(
           record, "",
           [](const WorkerStats& w) { return static_cast<double>(w.status.inner_step); },
           [](const WorkerStats& w) { return w.status.loss; })) {
    chart.series.push_back(std::move(s));
  }
  return RenderSvg(chart);
}

std::string LossAgainstSeconds(const RunRecord& record) {
  LineChart chart = {.title = "Loss against time",
                     .x_label = "seconds",
                     .y_label = "nats per byte",
                     .series = {HeldOut(record, true)},
                     .levels = Yardsticks(record),
                     .y_max = LossTop(record)};
  for (Series& s :
       PerWorker(record, "", nullptr, [](const WorkerStats& w) { return w.status.loss; })) {
    chart.series.push_back(std::move(s));
  }
  return RenderSvg(chart);
}

std::string Traffic(const RunRecord& record) {
  LineChart chart = {.title = "Traffic",
                     .x_label = "seconds",
                     .y_label = "MB, encoded",
                     .series = {},
                     .levels = {},
                     .y_from_zero = true,
                     .legend_left = true};
  for (const bool up : {true, false}) {
    for (Series& s : PerWorker(record, up ? " up" : " down", nullptr, [up](const WorkerStats& w) {
           return static_cast<double>(up ? w.bytes_up : w.bytes_down) / 1e6;
         })) {
      chart.series.push_back(std::move(s));
    }
  }
  return RenderSvg(chart);
}

std::string Speed(const RunRecord& record) {
  return RenderSvg(LineChart{
      .title = "Speed",
      .x_label = "seconds",
      .y_label = "tokens per second",
      .series = PerWorker(record, "", nullptr,
                          [](const WorkerStats& w) { return w.status.tokens_per_second; }),
      .levels = {},
      .y_from_zero = true});
}

std::string UtilisationChart(const RunFigures& figures) {
  BarChart chart = {.title = "Utilisation: share of the time spent in inner steps",
                    .x_label = "worker",
                    .y_label = "percent",
                    .bars = {},
                    .y_high = 100};
  for (const auto& [name, share] : figures.utilisation) {
    chart.bars.emplace_back(name, std::isfinite(share) ? 100.0 * share : 0.0);
  }
  return RenderSvg(chart);
}

std::string StalenessChart(const RunRecord& record) {
  BarChart chart = {.title = "Staleness of the pushes",
                    .x_label = "versions behind",
                    .y_label = "fragment pushes",
                    .bars = {}};
  if (!record.samples.empty()) {
    const auto& bins = record.samples.back().stats.staleness_histogram;
    size_t used = 0;
    for (size_t s = 0; s < bins.size(); ++s) {
      if (bins[s] > 0) used = s + 1;
    }
    for (size_t s = 0; s < std::max<size_t>(used, 3); ++s) {
      const bool last = s + 1 == bins.size();
      chart.bars.emplace_back(absl::StrCat(s, last ? "+" : ""),
                              s < bins.size() ? static_cast<double>(bins[s]) : 0.0);
    }
  }
  return RenderSvg(chart);
}

std::string Tile(const std::string& value, const std::string& what) {
  return absl::StrCat("<div class='tile'><b>", EscapeHtml(value), "</b><span>", EscapeHtml(what),
                      "</span></div>");
}

std::string Tiles(const RunRecord& record, const RunFigures& f) {
  return absl::StrCat(
      "<div class='tiles'>",
      Tile(Fixed(record.loss_after, 3),
           absl::StrCat("held-out loss, nats per byte; ", Fixed(record.loss_before, 3), " before")),
      Tile(Fixed(std::exp(record.loss_after), 2), "held-out perplexity per byte"),
      Tile(Fixed(record.yardsticks.order2, 3), "an order-2 byte model's loss"),
      Tile(Fixed(f.ratio_up_fp32, 1) + "\u00d7", "fewer bytes up than fp32 deltas"),
      Tile(Fixed(f.data_parallel_ratio, 0) + "\u00d7", "fewer bytes than data parallelism"),
      Tile(Duration(record.seconds), "of training"), "</div>");
}

std::string Table(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::string out = "<div class='card wide'><table>";
  for (const auto& [name, value] : rows) {
    absl::StrAppend(&out, "<tr><td>", EscapeHtml(name), "</td><td>", EscapeHtml(value),
                    "</td></tr>");
  }
  return out + "</table></div>";
}

std::string WorkerTable(const RunRecord& record) {
  std::string out =
      "<div class='card wide'><table><tr><th>worker</th><th class='n'>inner steps</th>"
      "<th class='n'>loss</th><th class='n'>tokens/s</th><th class='n'>staleness</th>"
      "<th class='n'>up</th><th class='n'>down</th><th class='n'>ratio up</th>"
      "<th class='n'>H now</th><th class='n'>busy</th><th class='n'>waiting</th></tr>";
  if (record.samples.empty()) return out + "</table></div>";
  for (const WorkerStats& w : record.samples.back().stats.workers) {
    const auto cell = [&out](const std::string& text) {
      absl::StrAppend(&out, "<td class='n'>", EscapeHtml(text), "</td>");
    };
    absl::StrAppend(&out, "<tr><td>", EscapeHtml(w.name), "</td>");
    cell(absl::StrCat(w.status.inner_step));
    cell(Fixed(w.status.loss, 3));
    cell(Count(w.status.tokens_per_second));
    cell(absl::StrFormat("%.2f, max %d", w.staleness_mean, w.staleness_max));
    cell(Bytes(static_cast<double>(w.bytes_up)));
    cell(Bytes(static_cast<double>(w.bytes_down)));
    cell(w.bytes_up > 0
             ? Fixed(static_cast<double>(w.bytes_up_fp32) / static_cast<double>(w.bytes_up), 2) +
                   "\u00d7"
             : "--");
    cell(absl::StrCat(w.inner_steps));
    cell(Duration(w.status.busy_seconds));
    cell(Duration(w.status.waiting_seconds));
    out += "</tr>";
  }
  return out + "</table></div>";
}

std::string Incidents(const RunRecord& record) {
  std::string out;
  for (const std::string& incident : record.incidents) {
    absl::StrAppend(&out, "<p class='warn'>", EscapeHtml(incident), "</p>");
  }
  return out;
}

std::string Card(const std::string& inside) { return "<div class='card'>" + inside + "</div>"; }

}  // namespace

std::string RenderReport(const RunRecord& record) {
  const RunFigures figures = MakeFigures(record);
  return absl::StrCat(
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
      "<meta name='viewport' content='width=device-width,initial-scale=1'>"
      "<title>Tideway: a training run</title><style>",
      kReportStyle, "</style></head><body><main><h1>Tideway: a training run</h1><p class='sub'>",
      absl::StrFormat(
          "%d workers, %s parameters, %s local updates, %s bytes of text%s", record.workers,
          Count(static_cast<double>(record.parameters)), Count(static_cast<double>(figures.steps)),
          Count(static_cast<double>(figures.tokens)), record.interrupted ? "; interrupted" : ""),
      "</p>", Incidents(record), Tiles(record, figures), "<h2>Learning</h2><div class='charts'>",
      Card(LossAgainstSteps(record)), Card(LossAgainstSeconds(record)),
      "</div><h2>Communication</h2><div class='charts'>", Card(Traffic(record)),
      Card(StalenessChart(record)), Card(UtilisationChart(figures)), Card(Speed(record)),
      "</div><h2>Workers</h2>", WorkerTable(record), "<h2>A sample of its writing</h2>",
      "<div class='card'><pre>", EscapeHtml(Printable(record.text_sample)), "</pre></div>",
      "<h2>Figures and settings</h2><div class='two'>", Table(FigureRows(record)),
      Table(record.settings),
      "</div><footer>Losses are in nats per byte. Bytes are encoded payloads "
      "as the servers counted them. Data parallelism is taken to send each worker's fp32 gradient "
      "once up and once down at every step.</footer></main></body></html>\n");
}

}  // namespace tideway::trainer
