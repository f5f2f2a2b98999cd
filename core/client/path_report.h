// PathReport: keeps one link's TransportReport up to date, and says in words what there is to log.
//
// Threads: report, connection and switches may be called from any thread; the rest on the client's state strand.

#ifndef TIDEWAY_CORE_CLIENT_PATH_REPORT_H_
#define TIDEWAY_CORE_CLIENT_PATH_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/client/path_selector.h"
#include "tideway/transport_report.h"

namespace tideway {

class PathReport {
 public:
  PathReport(std::string server, std::string asked);

  void SetCandidates(std::vector<TransportCandidate> candidates);

  struct News {
    std::string change;   // empty: the data path is the former one, or the first
    std::string summary;  // TransportReport::Summary
  };
  // Hands are shaken over `path`. `why_not_before`: what ended the former one.
  News Holds(const PathSelector::Choice& path, ConnectionInfo connection,
             absl::string_view why_not_before, absl::Time now);

  TransportReport report() const;
  ConnectionInfo connection() const;
  uint64_t switches() const;

 private:
  mutable absl::Mutex mutex_;
  TransportReport report_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PATH_REPORT_H_
