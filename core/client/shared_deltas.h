// The client's deltas that servers on this host may read where they lie.
//
// SharedDeltas: the client's blocks of shared memory, of which each has a number. A push that gives up while the server may still read
// from its block leaves the memory to the server: Abandon. Which server reads from which block: shared_offers.h.
//
// Threads: New and Find from any thread; the rest on the state strand.

#ifndef TIDEWAY_CORE_CLIENT_SHARED_DELTAS_H_
#define TIDEWAY_CORE_CLIENT_SHARED_DELTAS_H_

#include <array>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "core/client/client_tasks.h"
#include "core/runtime/shared_block.h"
#include "tideway/limits.h"

namespace tideway {

// One of the blocks, which it keeps.
struct SharedDelta {
  std::shared_ptr<SharedBlock> block;  // null: none
  uint32_t number = 0;
};

class SharedDeltas {
 public:
  explicit SharedDeltas(ClientTasks* tasks) : tasks_(tasks) {}

  // RESOURCE_EXHAUSTED: there are kSharedBlocksMax, or no memory; UNAVAILABLE: this system shares none.
  absl::StatusOr<std::shared_ptr<SharedBlock>> New(size_t bytes);

  // The block that `memory` lies in, or none.
  SharedDelta Find(absl::Span<const std::byte> memory);

  // The server that has mapped the block with `nonce` may still read it; the owner goes on without it. An error: it can't.
  absl::Status Abandon(const SharedDelta& delta, uint64_t nonce);

 private:
  ClientTasks* const tasks_;
  absl::Mutex mutex_;
  std::array<std::weak_ptr<SharedBlock>, kSharedBlocksMax> blocks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_SHARED_DELTAS_H_
