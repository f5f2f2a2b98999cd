// Pictures for the report: line charts and bar charts as inline SVG.
//
// Colours are the CSS classes s0 to s7 and the variables of the report's style sheet, so the pictures follow light and
// dark. Values that are not finite are left out. Long series are thinned to what can be seen.
#ifndef TIDEWAY_TRAINER_SVG_H_
#define TIDEWAY_TRAINER_SVG_H_

#include <string>
#include <utility>
#include <vector>

namespace tideway::trainer {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points = {};  // x rising
  bool emphasised = false;                             // drawn thicker, with its points
};

struct LineChart {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  // Horizontal reference lines with their names.
  std::vector<std::pair<std::string, double>> levels;
  double y_max = 0;  // above zero: values beyond are cut off
  bool y_from_zero = false;
  bool legend_left = false;  // for curves that rise
};

struct BarChart {
  std::string title, x_label, y_label;
  std::vector<std::pair<std::string, double>> bars;
  double y_high = 0;  // where the axis ends at least
};

std::string RenderSvg(const LineChart& chart);
std::string RenderSvg(const BarChart& chart);

// Round steps (1, 2 or 5 times a power of ten) that cover [low, high] with about `count` ticks.
std::vector<double> Ticks(double low, double high, int count);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_SVG_H_
