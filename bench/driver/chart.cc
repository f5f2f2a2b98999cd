#include "bench/driver/chart.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/driver/svg.h"
#include "tools/size_text.h"

namespace bench {
namespace {

constexpr double kWidth = 860;
constexpr double kHeight = 380;
constexpr double kLeft = 64;
constexpr double kRight = 590;  // the legend stands right of it
constexpr double kTop = 40;
constexpr double kBottom = 330;
constexpr double kLegendStep = 18;
// From values to places.
class Axis {
 public:
  // REQUIRES: low < high; of a logarithmic one both positive.
  Axis(double low, double high, double from, double to, bool logarithmic)
      : low_(Scale(low, logarithmic)),
        high_(Scale(high, logarithmic)),
        from_(from),
        to_(to),
        logarithmic_(logarithmic) {}

  double At(double value) const {
    return from_ + (Scale(value, logarithmic_) - low_) / (high_ - low_) * (to_ - from_);
  }

 private:
  static double Scale(double value, bool logarithmic) {
    return logarithmic ? std::log2(value) : value;
  }

  double low_;
  double high_;
  double from_;
  double to_;
  bool logarithmic_;
};

struct Values {
  std::vector<double> ticks;
  double low = 0;
  double high = 1;
};

Values ValuesOf(const Chart& chart, const std::vector<ChartSeries>& series) {
  double least = HUGE_VAL;
  double most = 0;
  for (const ChartSeries& one : series) {
    for (const ChartPoint& point : one.points) {
      least = std::min(least, point.value);
      most = std::max(most, std::max(point.value, point.high));
    }
  }
  Values values;
  if (!(most > 0)) return values;
  if (chart.logarithmic) {
    values.low = std::pow(10, std::floor(std::log10(least)));
    values.high = std::pow(10, std::ceil(std::log10(most) + 1e-9));
    for (double tick = values.low; tick <= values.high * 1.001; tick *= 10) {
      values.ticks.push_back(tick);
    }
  } else {
    const double step = NiceStep(most);
    values.high = step * std::ceil(most / step);
    for (int i = 0; i * step <= values.high * 1.001; ++i) values.ticks.push_back(i * step);
  }
  return values;
}

// The points that can be shown.
std::vector<ChartSeries> Shown(const Chart& chart) {
  std::vector<ChartSeries> series = chart.series;
  for (ChartSeries& one : series) {
    std::erase_if(one.points, [&](const ChartPoint& point) {
      return !(point.x > 0) || !std::isfinite(point.value) ||
             (chart.logarithmic && !(point.value > 0));
    });
  }
  return series;
}

std::string Grid(const Chart& chart, const Values& values, const std::set<double>& marks,
                 const Axis& x, const Axis& y) {
  std::string svg;
  for (const double tick : values.ticks) {
    svg += SvgLine(kLeft, y.At(tick), kRight, y.At(tick), "stroke=\"#ddd\"");
    svg += SvgText(kLeft - 6, y.At(tick) + 4, "end", absl::StrFormat("%g", tick));
  }
  double last = -HUGE_VAL;
  for (const double mark : marks) {
    svg += SvgLine(x.At(mark), kTop, x.At(mark), kBottom, "stroke=\"#eee\"");
    if (x.At(mark) - last < 48) continue;  // no room
    last = x.At(mark);
    svg += SvgText(last, kBottom + 18, "middle", chart.x_name(mark));
  }
  return svg;
}

std::string Curve(const ChartSeries& series, const Axis& x, const Axis& y, const char* colour) {
  std::string svg;
  std::string path;
  for (const ChartPoint& point : series.points) {
    const double px = x.At(point.x);
    const double py = y.At(point.value);
    absl::StrAppendFormat(&path, "%s%.1f,%.1f", path.empty() ? "" : " ", px, py);
    absl::StrAppendFormat(&svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", px, py,
                          colour);
    const double low = std::clamp(y.At(std::max(point.low, 1e-12)), kTop, kBottom);
    const double high = std::clamp(y.At(std::max(point.high, 1e-12)), kTop, kBottom);
    if (point.high > point.low) {
      svg += SvgLine(px, low, px, high, absl::StrCat("stroke=\"", colour, "\" opacity=\"0.5\""));
    }
  }
  absl::StrAppend(&svg, "<polyline points=\"", path, "\" fill=\"none\" stroke=\"", colour,
                  "\" stroke-width=\"1.8\"", series.dashed ? " stroke-dasharray=\"5 4\"" : "",
                  "/>\n");
  return svg;
}

}  // namespace

std::string SizeName(double bytes) { return tideway::tools::SizeText(static_cast<size_t>(bytes)); }

std::string ToSvg(const Chart& chart) {
  const std::vector<ChartSeries> series = Shown(chart);
  std::set<double> marks;
  for (const ChartSeries& one : series) {
    for (const ChartPoint& point : one.points) marks.insert(point.x);
  }
  std::string svg = SvgBegin(kWidth, kHeight);
  svg += SvgText(kLeft, 22, "start", absl::StrCat(chart.title, ", ", chart.unit));
  if (marks.empty()) return svg + "</svg>\n";
  const Values values = ValuesOf(chart, series);
  const Axis x(*marks.begin() / 1.2, *marks.rbegin() * 1.2, kLeft, kRight, true);
  const Axis y(values.low, values.high, kBottom, kTop, chart.logarithmic);
  svg += Grid(chart, values, marks, x, y);
  for (size_t i = 0; i < series.size(); ++i) {
    const char* const colour = SvgColour(series[i].colour);
    svg += Curve(series[i], x, y, colour);
    const double at = kTop + 8 + kLegendStep * static_cast<double>(i);
    svg += SvgLine(kRight + 12, at, kRight + 34, at,
                   absl::StrCat("stroke=\"", colour, "\" stroke-width=\"2\"",
                                series[i].dashed ? " stroke-dasharray=\"5 4\"" : ""));
    svg += SvgText(kRight + 40, at + 4, "start", series[i].name);
  }
  return svg + "</svg>\n";
}

}  // namespace bench
