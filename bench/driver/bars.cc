#include "bench/driver/bars.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/driver/svg.h"

namespace bench {
namespace {

constexpr double kWidth = 900;
constexpr double kLeft = 330;  // names stand left of it
constexpr double kRight = 870;
constexpr double kTop = 70;  // the legend stands above it
constexpr double kStep = 26;
constexpr double kThickness = 18;
constexpr size_t kNameMax = 54;

double SumOf(const Bar& bar) { return std::accumulate(bar.parts.begin(), bar.parts.end(), 0.0); }

std::string Legend(const std::vector<std::string>& parts) {
  std::string svg;
  const double width = (kWidth - 40) / static_cast<double>(std::max<size_t>(parts.size(), 1));
  for (size_t i = 0; i < parts.size(); ++i) {
    const double x = 20 + width * static_cast<double>(i);
    absl::StrAppendFormat(&svg,
                          "<rect x=\"%.1f\" y=\"38\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x,
                          SvgColour(i));
    svg += SvgText(x + 17, 48, "start", parts[i]);
  }
  return svg;
}

}  // namespace

std::string ToSvg(const BarChart& chart) {
  double most = 0;
  for (const Bar& bar : chart.bars) most = std::max(most, SumOf(bar));
  const double bottom = kTop + kStep * static_cast<double>(chart.bars.size());
  std::string svg = SvgBegin(kWidth, bottom + 30);
  svg += SvgText(20, 22, "start", absl::StrCat(chart.title, ", ", chart.unit));
  if (!(most > 0)) return svg + "</svg>\n";
  svg += Legend(chart.parts);
  const double step = NiceStep(most);
  const auto at = [&](double value) { return kLeft + value / most * (kRight - kLeft); };
  for (int i = 0; i * step <= most; ++i) {
    svg += SvgLine(at(i * step), kTop, at(i * step), bottom, "stroke=\"#ddd\"");
    svg += SvgText(at(i * step), bottom + 18, "middle", absl::StrFormat("%g", i * step));
  }
  for (size_t row = 0; row < chart.bars.size(); ++row) {
    const Bar& bar = chart.bars[row];
    const double y = kTop + kStep * static_cast<double>(row) + (kStep - kThickness) / 2;
    svg += SvgText(kLeft - 8, y + 13, "end", bar.name.substr(0, kNameMax));
    double from = 0;
    for (size_t i = 0; i < bar.parts.size(); ++i) {
      absl::StrAppendFormat(
          &svg, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%g\" fill=\"%s\"/>\n",
          at(from), y, at(from + bar.parts[i]) - at(from), kThickness, SvgColour(i));
      from += bar.parts[i];
    }
  }
  return svg + "</svg>\n";
}

}  // namespace bench
