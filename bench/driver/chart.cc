#include "bench/driver/chart.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "tools/size_text.h"

namespace bench {
namespace {

constexpr double kWidth = 760;
constexpr double kHeight = 380;
constexpr double kLeft = 64;
constexpr double kRight = 590;  // the legend stands right of it
constexpr double kTop = 40;
constexpr double kBottom = 330;
constexpr double kLegendStep = 18;
constexpr int kTicks = 5;
// Okabe and Ito's colours, which the colour-blind tell apart.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#e69f00", "#56b4e9", "#000000", "#8c6d31"};

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

// 1, 2 or 5 times a power of ten, so that about kTicks of it make `range`.
double NiceStep(double range) {
  const double rough = range / kTicks;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power) return factor * power;
  }
  return 10 * power;
}

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

std::string Line(double x1, double y1, double x2, double y2, absl::string_view style) {
  return absl::StrFormat("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2,
                         y2, style);
}

std::string Text(double x, double y, absl::string_view anchor, absl::string_view text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor,
                         EscapeXml(text));
}

// The points that can be shown.
std::vector<ChartSeries> Shown(const Chart& chart) {
  std::vector<ChartSeries> series = chart.series;
  for (ChartSeries& one : series) {
    std::erase_if(one.points, [&](const ChartPoint& point) {
      return !(point.size_bytes > 0) || !std::isfinite(point.value) ||
             (chart.logarithmic && !(point.value > 0));
    });
  }
  return series;
}

std::string Grid(const Values& values, const std::set<double>& sizes, const Axis& x,
                 const Axis& y) {
  std::string svg;
  for (const double tick : values.ticks) {
    svg += Line(kLeft, y.At(tick), kRight, y.At(tick), "stroke=\"#ddd\"");
    svg += Text(kLeft - 6, y.At(tick) + 4, "end", absl::StrFormat("%g", tick));
  }
  double last = -HUGE_VAL;
  for (const double size : sizes) {
    svg += Line(x.At(size), kTop, x.At(size), kBottom, "stroke=\"#eee\"");
    if (x.At(size) - last < 48) continue;  // no room
    last = x.At(size);
    svg += Text(last, kBottom + 18, "middle", tideway::tools::SizeText(static_cast<size_t>(size)));
  }
  return svg;
}

std::string Curve(const ChartSeries& series, const Axis& x, const Axis& y, const char* colour) {
  std::string svg;
  std::string path;
  for (const ChartPoint& point : series.points) {
    const double px = x.At(point.size_bytes);
    const double py = y.At(point.value);
    absl::StrAppendFormat(&path, "%s%.1f,%.1f", path.empty() ? "" : " ", px, py);
    absl::StrAppendFormat(&svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", px, py,
                          colour);
    const double low = std::clamp(y.At(std::max(point.low, 1e-12)), kTop, kBottom);
    const double high = std::clamp(y.At(std::max(point.high, 1e-12)), kTop, kBottom);
    if (point.high > point.low) {
      svg += Line(px, low, px, high, absl::StrCat("stroke=\"", colour, "\" opacity=\"0.5\""));
    }
  }
  absl::StrAppend(&svg, "<polyline points=\"", path, "\" fill=\"none\" stroke=\"", colour,
                  "\" stroke-width=\"1.8\"", series.dashed ? " stroke-dasharray=\"5 4\"" : "",
                  "/>\n");
  return svg;
}

}  // namespace

std::string EscapeXml(absl::string_view text) {
  return absl::StrReplaceAll(text,
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

std::string ToSvg(const Chart& chart) {
  const std::vector<ChartSeries> series = Shown(chart);
  std::set<double> sizes;
  for (const ChartSeries& one : series) {
    for (const ChartPoint& point : one.points) sizes.insert(point.size_bytes);
  }
  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" width=\"%g\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      kWidth, kHeight, kWidth);
  svg += Text(kLeft, 22, "start", absl::StrCat(chart.title, ", ", chart.unit));
  if (sizes.empty()) return svg + "</svg>\n";
  const Values values = ValuesOf(chart, series);
  const Axis x(*sizes.begin() / 1.2, *sizes.rbegin() * 1.2, kLeft, kRight, true);
  const Axis y(values.low, values.high, kBottom, kTop, chart.logarithmic);
  svg += Grid(values, sizes, x, y);
  for (size_t i = 0; i < series.size(); ++i) {
    const char* const colour = kColours[series[i].colour % std::size(kColours)];
    svg += Curve(series[i], x, y, colour);
    const double at = kTop + 8 + kLegendStep * static_cast<double>(i);
    svg += Line(kRight + 12, at, kRight + 34, at,
                absl::StrCat("stroke=\"", colour, "\" stroke-width=\"2\"",
                             series[i].dashed ? " stroke-dasharray=\"5 4\"" : ""));
    svg += Text(kRight + 40, at + 4, "start", series[i].name);
  }
  return svg + "</svg>\n";
}

}  // namespace bench
