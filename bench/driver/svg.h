// What pictures in SVG are made of.
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_SVG_H_
#define TIDEWAY_BENCH_DRIVER_SVG_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace bench {

// For text and attributes of XML and HTML.
std::string EscapeXml(absl::string_view text);

// The element that everything stands in, with a white ground; "</svg>\n" ends it.
std::string SvgBegin(double width, double height);
std::string SvgLine(double x1, double y1, double x2, double y2, absl::string_view style);
// `anchor`: start, middle or end. Escapes the text.
std::string SvgText(double x, double y, absl::string_view anchor, absl::string_view text);

// Okabe and Ito's colours, which the colour-blind tell apart; they come again after eight.
const char* SvgColour(size_t i);

// 1, 2 or 5 times a power of ten, so that about five of it make `range`. REQUIRES: range > 0.
double NiceStep(double range);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_SVG_H_
