// PullJob: one Pull of the user's. Its parts, one per fragment, go through the lanes of the servers that have them.

#ifndef TIDEWAY_CORE_CLIENT_PULL_JOB_H_
#define TIDEWAY_CORE_CLIENT_PULL_JOB_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "core/client/job.h"
#include "tideway/client.h"

namespace tideway {

class PullJob final : public Job<PullReport> {
 public:
  PullJob(ClientTasks* tasks, absl::Span<float> whole_destination, uint64_t grace_window,
          size_t fragments, Abandon abandon, Done done)
      : Job(tasks, std::move(abandon), std::move(done)),
        destination(whole_destination),
        window(grace_window),
        versions(fragments, 0) {}

  const absl::Span<float> destination;
  const uint64_t window;
  std::vector<uint64_t> versions;  // by fragment, as they arrive
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PULL_JOB_H_
