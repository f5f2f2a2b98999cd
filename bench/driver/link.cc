#include "bench/driver/link.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace bench {
namespace {

constexpr double kRateMin = 1e4;
constexpr double kRateMax = 1e12;
constexpr double kLossMax = 0.5;
constexpr double kStep = 10;
constexpr absl::Duration kDelayMax = absl::Seconds(1);
constexpr double kSegmentBytes = 1448;  // of Ethernet's 1500, with timestamps

absl::Status NoLink(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", text,
                   "' is no link; write RATE,DELAY,LOSS: 1gbit,40ms,0.1% or 10mbit..10gbit,1ms "
                   "(rates from 10kbit "
                   "to 1000gbit, delays of each direction up to 1s, losses below 50%)"));
}

bool ParseRate(absl::string_view text, double& bits_per_second) {
  if (!absl::ConsumeSuffix(&text, "bit")) return false;
  double unit = 1;
  for (const auto& [suffix, factor] : {std::pair{"k", 1e3}, {"m", 1e6}, {"g", 1e9}}) {
    if (absl::ConsumeSuffix(&text, suffix)) {
      unit = factor;
      break;
    }
  }
  if (!absl::SimpleAtod(text, &bits_per_second)) return false;
  bits_per_second *= unit;
  return bits_per_second >= kRateMin && bits_per_second <= kRateMax;
}

bool ParseDelay(absl::string_view text, absl::Duration& delay) {
  return absl::ParseDuration(text, &delay) && delay >= absl::ZeroDuration() && delay <= kDelayMax;
}

bool ParseLoss(absl::string_view text, double& loss) {
  if (!absl::ConsumeSuffix(&text, "%") || !absl::SimpleAtod(text, &loss)) return false;
  loss /= 100;
  return loss >= 0 && loss < kLossMax;
}

// Losses that come rarely: packets that a window holds when one of them is lost, on average.
double WindowOfReno(double loss) { return std::sqrt(1.5 / loss); }

double WindowOfCubic(double loss, double round_trip_s) {
  constexpr double kBeta = 0.7;
  constexpr double kC = 0.4;
  const double cubic = std::pow(kC * (3 + kBeta) / (4 * (1 - kBeta)), 0.25) *
                       std::pow(round_trip_s, 0.75) / std::pow(loss, 0.75);
  return std::max(cubic, WindowOfReno(loss));  // it is never slower than Reno
}

}  // namespace

std::string RateText(double bits_per_second) {
  for (const auto& [suffix, factor] : {std::pair{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}}) {
    if (bits_per_second >= factor) return absl::StrFormat("%g%s", bits_per_second / factor, suffix);
  }
  return absl::StrFormat("%gbit", bits_per_second);
}

std::string Link::ToString() const {
  std::string text = RateText(bits_per_second);
  if (delay > absl::ZeroDuration() || loss > 0) {
    absl::StrAppend(&text, ",", absl::FormatDuration(delay));
  }
  if (loss > 0) absl::StrAppendFormat(&text, ",%g%%", 100 * loss);
  return text;
}

absl::StatusOr<std::vector<Link>> ParseLinks(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  const std::vector<std::string> rates = absl::StrSplit(parts[0], "..");
  Link link;
  double last = 0;
  if (parts.size() > 3 || rates.size() > 2 || !ParseRate(rates.front(), link.bits_per_second) ||
      !ParseRate(rates.back(), last) || last < link.bits_per_second ||
      (parts.size() > 1 && !ParseDelay(parts[1], link.delay)) ||
      (parts.size() > 2 && !ParseLoss(parts[2], link.loss))) {
    return NoLink(text);
  }
  std::vector<Link> links;
  for (; link.bits_per_second < last; link.bits_per_second *= kStep) links.push_back(link);
  link.bits_per_second = last;
  links.push_back(link);
  return links;
}

absl::StatusOr<double> TcpBytesPerSecond(const Link& link, absl::string_view congestion) {
  const double wire = link.bits_per_second / 8;
  if (congestion == "bbr") return wire * (1 - link.loss);
  if (congestion != "reno" && congestion != "cubic") {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no model of '", congestion,
                     "' over a link that loses packets; --congestion may be cubic, reno or bbr"));
  }
  const double round_trip_s = 2 * absl::ToDoubleSeconds(link.delay);
  if (link.loss == 0 || round_trip_s == 0) return wire * (1 - link.loss);
  const double window =
      congestion == "reno" ? WindowOfReno(link.loss) : WindowOfCubic(link.loss, round_trip_s);
  return std::min(wire * (1 - link.loss), window * kSegmentBytes / round_trip_s);
}

}  // namespace bench
