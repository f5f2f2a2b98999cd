// PathSelector: finds the path to one server whose address is auto://.
//
//   ask      one connection over the bootstrap transport: what does the server offer? It is measured on the way.
//   measure  every other usable path that was not measured in this life of the server, one after the other
//   pick     the quickest
//
// Asked anew before every connection, since the server may have come back elsewhere; what was measured is kept. A path that
// broke is given up until the server's next life, or until no other is left. Where the server can't be asked any more but an
// earlier answer is at hand, the choice goes on with that.
//
// Threads: the client's state strand.

#ifndef TIDEWAY_CORE_CLIENT_PATH_SELECTOR_H_
#define TIDEWAY_CORE_CLIENT_PATH_SELECTOR_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/client/client_shared.h"
#include "core/client/path_probe.h"
#include "core/client/path_table.h"
#include "core/runtime/paths.h"
#include "tideway/uri.h"

namespace tideway {

class PathSelector {
 public:
  struct Choice {
    Uri uri;
    std::string provider;
    std::string why;
  };
  // FAILED_PRECONDITION: the server was asked, and no path will do; the message says why for each. Others: it can't be reached.
  using Done = absl::AnyInvocable<void(absl::StatusOr<Choice>)>;

  // `shared` outlives it.
  PathSelector(ClientShared* shared, Uri asked);

  // REQUIRES: no selection under way.
  void Select(Done done);
  // Ends a selection under way; its `done` is told.
  void Cancel(const absl::Status& why);
  // The path that was chosen broke.
  void GiveUp(const std::string& provider, const std::string& why) {
    table_->GiveUp(provider, why);
  }

  // Empty before the first answer.
  std::vector<TransportCandidate> Candidates() const;

 private:
  absl::Status Prepare();
  void OnAsked(PathProbe::Result result);
  void MeasureNext();
  void OnMeasured(const std::string& provider, const PathProbe::Result& result);
  void Pick();
  void Finish(absl::StatusOr<Choice> choice);

  ClientShared* const shared_;
  const Uri asked_;
  std::unique_ptr<PathTable> table_;  // null until prepared
  Uri bootstrap_uri_;
  std::string bootstrap_provider_;
  std::vector<LocalPath> local_;
  std::string host_id_;
  bool bootstrap_measured_ = false;
  bool asked_in_vain_ = false;
  std::shared_ptr<PathProbe> probe_;
  Done done_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PATH_SELECTOR_H_
