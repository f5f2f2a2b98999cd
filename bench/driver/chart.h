// Chart: lines against a size or a rate, as a picture in SVG that needs nothing but itself.
//
// That is on a logarithmic axis with a mark at each that occurs; values are linear from zero, or logarithmic. A point has its
// interval as a bar. Threads: plain values.

#ifndef TIDEWAY_BENCH_DRIVER_CHART_H_
#define TIDEWAY_BENCH_DRIVER_CHART_H_

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

struct ChartPoint {
  double x = 0;  // size or rate; positive
  double value = 0;
  double low = 0;  // of its interval
  double high = 0;
};

struct ChartSeries {
  std::string name;
  std::vector<ChartPoint> points;  // by x
  size_t colour = 0;               // series that belong together have the same one
  bool dashed = false;
};

// "64 MiB".
std::string SizeName(double bytes);

struct Chart {
  std::string title;
  std::string unit;  // of the values
  bool logarithmic = false;
  std::string (*x_name)(double x) = SizeName;
  std::vector<ChartSeries> series;
};

// Values that a logarithmic axis can't show, zero and below, are left out. A chart without points has its title only.
std::string ToSvg(const Chart& chart);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_CHART_H_
