#include "core/client/path_report.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "tideway/limits.h"

namespace tideway {

PathReport::PathReport(std::string server, std::string asked) {
  absl::MutexLock lock(&mutex_);
  report_.server = std::move(server);
  report_.asked = std::move(asked);
}

void PathReport::SetCandidates(std::vector<TransportCandidate> candidates) {
  absl::MutexLock lock(&mutex_);
  report_.candidates = std::move(candidates);
}

PathReport::News PathReport::Holds(const PathSelector::Choice& path, ConnectionInfo connection,
                                   absl::string_view why_not_before, absl::Time now) {
  News news;
  absl::MutexLock lock(&mutex_);
  if (!report_.got.empty() && report_.provider != path.provider) {
    report_.switches.push_back({.from = report_.provider,
                                .to = path.provider,
                                .reason = std::string(why_not_before),
                                .at = now});
    ++report_.switches_total;
    if (report_.switches.size() > kTransportSwitchesKept) {
      report_.switches.erase(report_.switches.begin());
    }
    news.change = absl::StrCat(report_.server, ": the data path changed from ", report_.provider,
                               " to ", path.provider, ": ", why_not_before);
  }
  report_.got = path.uri.ToString();
  report_.provider = path.provider;
  report_.why = path.why;
  report_.connection = std::move(connection);
  news.summary = report_.Summary();
  return news;
}

TransportReport PathReport::report() const {
  absl::MutexLock lock(&mutex_);
  return report_;
}

ConnectionInfo PathReport::connection() const {
  absl::MutexLock lock(&mutex_);
  return report_.connection;
}

uint64_t PathReport::switches() const {
  absl::MutexLock lock(&mutex_);
  return report_.switches_total;
}

}  // namespace tideway
