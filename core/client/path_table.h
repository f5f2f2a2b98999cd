// PathTable: what one client knows of the paths to one server, and which of them it would take. Pure: no time, no threads.
//
// Filled from what the server offers and what this program has; each path is then usable or has the reason why not. Usable
// ones are measured, and given up when they fail; a new life of the server wipes all of that.

#ifndef TIDEWAY_CORE_CLIENT_PATH_TABLE_H_
#define TIDEWAY_CORE_CLIENT_PATH_TABLE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/runtime/paths.h"
#include "core/wire/control.h"
#include "tideway/transport_report.h"
#include "tideway/uri.h"

namespace tideway {

class PathTable {
 public:
  // `asked`: the auto:// address. `bootstrap`: the provider and address by which the server is asked.
  PathTable(Uri asked, std::string bootstrap_provider, Uri bootstrap_uri);

  // Takes in an offer. What was measured or given up is kept while the server lives on.
  void SetOffer(const wire::Offer& offer, const std::vector<LocalPath>& local,
                const std::string& own_host_id);
  bool has_offer() const { return life_ != 0; }

  // The next path to measure, or null. Then tell the result of it.
  const TransportCandidate* NextToMeasure() const;
  void SetMeasured(const std::string& provider, absl::Duration latency,
                   double bandwidth_bytes_per_s);
  // Not usable until the server's next life, or until nothing else is left.
  void GiveUp(const std::string& provider, const std::string& why);
  void Forgive(const std::string& provider) { given_up_.erase(provider); }
  // Everything that was given up gets another chance.
  void ForgiveAll() { given_up_.clear(); }

  // The usable path that moves a fragment soonest, if there is any.
  std::optional<TransportCandidate> Best() const;
  // Why there is no best one: a clause for each path.
  std::string Explain() const;
  // Why Best is better than the others.
  std::string WhyBest() const;

  // Best first; the refused ones behind.
  std::vector<TransportCandidate> Candidates() const;

 private:
  struct Measurement {
    absl::Duration latency;
    double bandwidth_bytes_per_s;
  };

  TransportCandidate Compose(const wire::Path& path, const LocalPath* local, bool same_host) const;
  bool Required(const std::string& transport, const std::string& provider) const;

  const Uri asked_;
  const std::string bootstrap_provider_;
  const Uri bootstrap_uri_;
  uint64_t life_ = 0;
  std::vector<TransportCandidate> offered_;      // as composed from the offer
  std::map<std::string, Measurement> measured_;  // by provider
  std::map<std::string, std::string> given_up_;  // provider -> why
};

// INVALID_ARGUMENT, with the known ones, for a parameter that auto:// does not have.
absl::Status CheckAutoAddress(const Uri& uri);

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PATH_TABLE_H_
