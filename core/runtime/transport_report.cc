#include "tideway/transport_report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tideway/limits.h"

namespace tideway {
namespace {

std::string Judgement(const TransportCandidate& candidate) {
  std::string text;
  if (candidate.measured) {
    text = absl::StrFormat("%.0f us, %.3g GB/s", candidate.latency_us,
                           candidate.bandwidth_bytes_per_s / 1e9);
  }
  if (!candidate.refused.empty()) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", "refused: ", candidate.refused);
  }
  return text.empty() ? "not measured" : text;
}

std::string Details(const ConnectionInfo& connection) {
  return absl::StrJoin(connection.details, ", ", absl::PairFormatter("="));
}

}  // namespace

absl::Duration TransportCandidate::fragment_time() const {
  return absl::Microseconds(latency_us) + absl::Seconds(static_cast<double>(kFragmentBytesDefault) /
                                                        std::max(bandwidth_bytes_per_s, 1.0));
}

std::string TransportReport::Summary() const {
  if (got.empty()) return absl::StrCat(server, ": no data path yet");
  std::string text = absl::StrCat(server, ": data goes over ", provider, " (", why, ")");
  for (const TransportCandidate& candidate : candidates) {
    if (candidate.provider == provider) continue;
    absl::StrAppend(&text, "; ", candidate.provider, ": ", Judgement(candidate));
  }
  return text;
}

std::string TransportReport::ToString() const {
  std::string text = absl::StrCat(server, "\n  asked for  ", asked, "\n");
  if (got.empty()) {
    absl::StrAppend(&text, "  got        nothing yet\n");
  } else {
    absl::StrAppend(&text, "  got        ", provider, ", ", got, "\n  because    ", why,
                    "\n  details    ", Details(connection), "\n");
  }
  size_t width = 0;
  for (const auto& candidate : candidates) width = std::max(width, candidate.provider.size());
  for (const auto& candidate : candidates) {
    absl::StrAppendFormat(&text, "  %s %-*s  %s\n", candidate.provider == provider ? "*" : " ",
                          static_cast<int>(width), candidate.provider, Judgement(candidate));
  }
  for (const TransportSwitch& change : switches) {
    absl::StrAppend(&text, "  switched   from ", change.from, " to ", change.to, ": ",
                    change.reason, "\n");
  }
  return text;
}

}  // namespace tideway
