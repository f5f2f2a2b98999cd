// PushJob: one Push of the user's. Its parts, one per fragment, go through the lanes of the servers that have them.

#ifndef TIDEWAY_CORE_CLIENT_PUSH_JOB_H_
#define TIDEWAY_CORE_CLIENT_PUSH_JOB_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "core/client/job.h"
#include "tideway/client.h"

namespace tideway {

class PushJob final : public Job<PushReport> {
 public:
  // `base_versions`: by fragment, of the last completed pull when Push was called.
  PushJob(ClientTasks* tasks, absl::Span<const float> whole_delta, uint32_t steps,
          std::shared_ptr<const std::vector<uint64_t>> versions, Abandon abandon, Done done)
      : Job(tasks, std::move(abandon), std::move(done)),
        delta(whole_delta),
        inner_steps(steps),
        base_versions(std::move(versions)) {}

  const absl::Span<const float> delta;
  const uint32_t inner_steps;
  const std::shared_ptr<const std::vector<uint64_t>> base_versions;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PUSH_JOB_H_
