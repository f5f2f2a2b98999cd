// BarChart: bars that are made of parts, one below the other, as a picture in SVG that needs nothing but itself.
//
// Threads: plain values.

#ifndef TIDEWAY_BENCH_DRIVER_BARS_H_
#define TIDEWAY_BENCH_DRIVER_BARS_H_

#include <string>
#include <vector>

namespace bench {

struct Bar {
  std::string name;
  std::vector<double> parts;  // not negative; as many as the chart has names of parts
};

struct BarChart {
  std::string title;
  std::string unit;
  std::vector<std::string> parts;
  std::vector<Bar> bars;
};

std::string ToSvg(const BarChart& chart);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_BARS_H_
