// Snapshots of a server: its fragments, optimizer state, dedup windows, workers and schedule on disk.
//
//   <dir>/server-<index>/snapshot-<number>/parameters.safetensors   theta/<fragment>, slot<k>/<fragment>
//   <dir>/server-<index>/snapshot-<number>/manifest.pb              snapshot.proto and its XXH3-64
//   <dir>/server-<index>/LATEST                                     the name of the newest complete one
//
// A snapshot is written aside, fsynced and renamed, and only then named in LATEST: a crash at any moment leaves the former
// snapshot valid. The two newest are kept.
//
// Threads: one at a time; blocks on the disk.

#ifndef TIDEWAY_CORE_SERVER_SNAPSHOT_H_
#define TIDEWAY_CORE_SERVER_SNAPSHOT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/optim/scheduler.h"
#include "core/server/fragment.h"
#include "core/server/worker_table.h"
#include "tideway/layout.h"

namespace tideway {

struct SnapshotContent {
  uint32_t server_index = 0;
  std::string outer_optimizer;  // canonical spec
  std::map<uint32_t, Fragment::State> fragments;
  std::vector<WorkerTable::Record> workers;
  std::optional<optim::SchedulerState> schedule;
};

class SnapshotFolder {
 public:
  SnapshotFolder(const std::string& dir, uint32_t server_index);

  // Returns the folder of the new snapshot. UNAVAILABLE, with the path, where the disk refuses.
  absl::StatusOr<std::string> Write(const SnapshotContent& content, const Layout& layout);

  // The newest complete snapshot. NOT_FOUND: none. FAILED_PRECONDITION: of another layout or server. DATA_LOSS: damaged.
  absl::StatusOr<SnapshotContent> ReadLatest(const Layout& layout) const;

 private:
  const std::string dir_;
  const uint32_t server_index_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_SNAPSHOT_H_
