#include "trainer/svg.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trainer/format.h"

namespace tideway::trainer {
namespace {

constexpr double kWidth = 560, kHeight = 300;
constexpr double kLeft = 58, kRight = 14, kTop = 34, kBottom = 44;
constexpr size_t kPointsMax = 300;
constexpr size_t kColours = 8;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Add(double v) {
    if (!std::isfinite(v)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  // Never empty, never of no extent.
  void Settle() {
    if (!(low <= high)) low = 0, high = 1;
    if (high - low < 1e-12) low -= 0.5, high += 0.5;
  }
};

// Data coordinates to picture coordinates.
struct Frame {
  Range x, y;
  double X(double v) const {
    return kLeft + (v - x.low) / (x.high - x.low) * (kWidth - kLeft - kRight);
  }
  double Y(double v) const {
    return kHeight - kBottom - (v - y.low) / (y.high - y.low) * (kHeight - kTop - kBottom);
  }
};

std::string Text(double x, double y, const char* css, const char* anchor, const std::string& text) {
  return absl::StrFormat("<text x='%.1f' y='%.1f' class='%s' text-anchor='%s'>%s</text>", x, y, css,
                         anchor, EscapeHtml(text));
}

std::string Rule(double x1, double y1, double x2, double y2, const char* css) {
  return absl::StrFormat("<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' class='%s'/>", x1, y1, x2,
                         y2, css);
}

std::string TickText(double value, double step) {
  if (std::abs(value) >= 1000) return Count(value);
  const int digits = step >= 1 ? 0 : static_cast<int>(std::ceil(-std::log10(step) - 1e-9));
  return Fixed(value, std::min(digits, 6));
}

std::string Open(const std::string& title) {
  return absl::StrFormat("<svg viewBox='0 0 %.0f %.0f' role='img' aria-label='%s'>", kWidth,
                         kHeight, EscapeHtml(title)) +
         Text(kLeft, 18, "title", "start", title);
}

std::string YAxis(const Frame& frame, const std::string& label) {
  std::string out;
  const std::vector<double> ticks = Ticks(frame.y.low, frame.y.high, 5);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1.0;
  for (double tick : ticks) {
    out += Rule(kLeft, frame.Y(tick), kWidth - kRight, frame.Y(tick), "grid");
    out += Text(kLeft - 6, frame.Y(tick) + 4, "tick", "end", TickText(tick, step));
  }
  return out + absl::StrFormat(
                   "<text transform='translate(14 %.0f) rotate(-90)' class='label' "
                   "text-anchor='middle'>%s</text>",
                   (kTop + kHeight - kBottom) / 2, EscapeHtml(label));
}

std::string XAxis(const Frame& frame, const std::string& label) {
  std::string out = Rule(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "axis");
  const std::vector<double> ticks = Ticks(frame.x.low, frame.x.high, 6);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1.0;
  for (double tick : ticks) {
    out += Text(frame.X(tick), kHeight - kBottom + 16, "tick", "middle", TickText(tick, step));
  }
  return out + Text((kLeft + kWidth - kRight) / 2, kHeight - 8, "label", "middle", label);
}

// At most kPointsMax of the points, the last among them.
std::vector<std::pair<double, double>> Thinned(const Series& series) {
  std::vector<std::pair<double, double>> kept;
  const size_t n = series.points.size();
  const size_t stride = n / kPointsMax + 1;
  for (size_t i = 0; i < n; ++i) {
    const auto& point = series.points[i];
    if (!std::isfinite(point.first) || !std::isfinite(point.second)) continue;
    if (i % stride == 0 || i + 1 == n) kept.push_back(point);
  }
  return kept;
}

std::string Curve(const Frame& frame, const Series& series, size_t colour) {
  const char* css = series.emphasised ? "curve strong" : "curve";
  std::string points, dots;
  for (const auto& [x, y] : Thinned(series)) {
    const double px = frame.X(x), py = frame.Y(std::clamp(y, frame.y.low, frame.y.high));
    absl::StrAppendFormat(&points, "%.1f,%.1f ", px, py);
    if (series.emphasised) {
      absl::StrAppendFormat(&dots, "<circle cx='%.1f' cy='%.1f' r='2.6' class='dot s%d'/>", px, py,
                            colour);
    }
  }
  return absl::StrFormat("<polyline points='%s' class='%s s%d'/>%s", points, css, colour, dots);
}

std::string Legend(const std::vector<Series>& series, bool left) {
  std::string out;
  const double dash = left ? kLeft + 8 : kWidth - kRight - 20;
  double y = kTop + 8;
  for (size_t i = 0; i < series.size() && i < kColours; ++i, y += 15) {
    out += Rule(dash, y, dash + 20, y, absl::StrCat("curve strong s", i).c_str());
    out +=
        Text(left ? dash + 26 : dash - 6, y + 4, "legend", left ? "start" : "end", series[i].name);
  }
  return out;
}

}  // namespace

std::vector<double> Ticks(double low, double high, int count) {
  std::vector<double> ticks;
  if (!std::isfinite(low) || !std::isfinite(high) || !(high > low) || count < 1) return ticks;
  const double rough = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.999) {
      step = factor * power;
      break;
    }
  }
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) {
    ticks.push_back(k == 0 ? 0.0 : k * step);
  }
  return ticks;
}

std::string RenderSvg(const LineChart& chart) {
  Frame frame;
  for (const Series& series : chart.series) {
    for (const auto& [x, y] : series.points) {
      frame.x.Add(x);
      frame.y.Add(y);
    }
  }
  for (const auto& level : chart.levels) frame.y.Add(level.second);
  if (chart.y_from_zero) frame.y.Add(0);
  if (chart.y_max > 0) frame.y.high = std::min(frame.y.high, chart.y_max);
  frame.x.Settle();
  frame.y.Settle();
  const double air = 0.04 * (frame.y.high - frame.y.low);
  frame.y.high += air;
  if (!chart.y_from_zero) frame.y.low -= air;

  std::string out = Open(chart.title) + YAxis(frame, chart.y_label) + XAxis(frame, chart.x_label);
  for (const auto& [name, level] : chart.levels) {
    if (level > frame.y.high || level < frame.y.low) continue;
    out += Rule(kLeft, frame.Y(level), kWidth - kRight, frame.Y(level), "level");
    out += Text(kLeft + 6, frame.Y(level) - 4, "legend", "start", name);
  }
  for (size_t i = 0; i < chart.series.size(); ++i) {
    out += Curve(frame, chart.series[i], i % kColours);
  }
  return out + Legend(chart.series, chart.legend_left) + "</svg>";
}

std::string RenderSvg(const BarChart& chart) {
  Frame frame;
  frame.y.Add(0);
  for (const auto& bar : chart.bars) frame.y.Add(bar.second);
  frame.x = {0, std::max<double>(1, static_cast<double>(chart.bars.size()))};
  frame.y.Add(chart.y_high);
  frame.y.Settle();
  frame.y.low = 0;
  std::string out = Open(chart.title) + YAxis(frame, chart.y_label);
  out += Rule(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "axis");
  const size_t label_stride = chart.bars.size() / 16 + 1;
  for (size_t i = 0; i < chart.bars.size(); ++i) {
    const auto& [name, value] = chart.bars[i];
    const double slot = frame.X(1) - frame.X(0);
    const double width = std::min(0.7 * slot, 48.0);
    const double x = frame.X(static_cast<double>(i)) + (slot - width) / 2;
    const double y = frame.Y(std::isfinite(value) ? value : 0);
    out += absl::StrFormat(
        "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' class='bar'>"
        "<title>%s: %s</title></rect>",
        x, y, width, std::max(0.0, kHeight - kBottom - y), EscapeHtml(name), Count(value));
    if (i % label_stride == 0) {
      out += Text(x + width / 2, kHeight - kBottom + 16, "tick", "middle", name);
    }
  }
  return out + Text((kLeft + kWidth - kRight) / 2, kHeight - 8, "label", "middle", chart.x_label) +
         "</svg>";
}

}  // namespace tideway::trainer
