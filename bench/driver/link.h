// Link: a link between two hosts as people write it, "1gbit,40ms,0.1%": its rate, its delay in each direction and its loss, of which
// the last two may be left out.
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_LINK_H_
#define TIDEWAY_BENCH_DRIVER_LINK_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace bench {

inline constexpr size_t kLinksMax = 32;

struct Link {
  double bits_per_second = 0;
  absl::Duration delay;  // of each direction, as `tc netem` counts it
  double loss = 0;       // share of packets

  // As it is written.
  std::string ToString() const;
};

// "800kbit", "1gbit", as a number of bits per second.
std::string RateText(double bits_per_second);

// A link, or several: the rate may be a range, "10mbit..10gbit", which goes in steps of ten times; its end always belongs to it.
// INVALID_ARGUMENT, with what it should look like: it is none; a rate from 10kbit to 1000gbit, a delay of at most 1 s, a loss below
// 50 %; at most kLinksMax.
absl::StatusOr<std::vector<Link>> ParseLinks(absl::string_view text);

// What one TCP connection gets through such a link in the long run, as its congestion control sees losses: for "reno" by Mathis et al.
// (The Macroscopic Behavior of the TCP Congestion Avoidance Algorithm, 1997), for "cubic" by RFC 9438, section 5; "bbr" does not take
// loss for congestion, and loses what is lost. INVALID_ARGUMENT for another name.
absl::StatusOr<double> TcpBytesPerSecond(const Link& link, absl::string_view congestion);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_LINK_H_
