// PushJob: one Push of the user's. Its parts, one per fragment, go through the lanes of the servers that have them.

#ifndef TIDEWAY_CORE_CLIENT_PUSH_JOB_H_
#define TIDEWAY_CORE_CLIENT_PUSH_JOB_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "core/client/job.h"
#include "core/client/shared_deltas.h"
#include "tideway/client.h"

namespace tideway {

class PushJob final : public Job<PushReport> {
 public:
  // `base_versions`: by fragment, of the last completed pull when Push was called.
  PushJob(ClientTasks* tasks, absl::Span<const float> whole_delta, const PushOptions& options,
          std::shared_ptr<const std::vector<uint64_t>> versions, Abandon abandon, Done done)
      : Job(tasks, std::move(abandon), std::move(done)),
        delta(whole_delta),
        inner_steps(options.inner_steps),
        known_finite(options.known_finite),
        base_versions(std::move(versions)) {}

  const absl::Span<const float> delta;
  const uint32_t inner_steps;
  const bool known_finite;
  const std::shared_ptr<const std::vector<uint64_t>> base_versions;
  SharedDelta shared;  // that `delta` lies in, if it does
  absl::Time begun;    // Push was called; noted only for who asks for a push's times
  // By fragment, of its fp32 values: made where the delta was looked through as a whole anyway, and is to leave as it is. Else
  // empty.
  std::vector<uint64_t> hashes;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PUSH_JOB_H_
