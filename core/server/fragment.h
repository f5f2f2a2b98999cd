// Fragment: the master copy of one contiguous range of the parameters: theta, the outer optimizer's state, the version, the
// memory of who has pushed what, and what is published for pulls.
//
// Threads: what changes the master copy or what is published (Push, Publish, AnswerByDifferences, Expose, Export) runs on the
// fragment's strand, one after the other; the owner sees to that by calling them there. TryPublished, version and
// durable_version may be called from any thread and never wait for the strand.
//
// Every push that changes theta is in the exposed directory before it is acknowledged, so that a worker which reads the directory
// afterwards knows at least its own pushes.

#ifndef TIDEWAY_CORE_SERVER_FRAGMENT_H_
#define TIDEWAY_CORE_SERVER_FRAGMENT_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "core/optim/staleness.h"
#include "core/runtime/stage_marks.h"
#include "core/server/dedup_window.h"
#include "core/server/exposed_area.h"
#include "core/server/published.h"
#include "core/server/published_chain.h"
#include "core/wire/chain_frames.h"
#include "core/wire/frame.h"
#include "tideway/buffer.h"
#include "tideway/codec.h"
#include "tideway/layout.h"
#include "tideway/outer_optimizer.h"
#include "tideway/push_times.h"

namespace tideway {

class Fragment {
 public:
  struct PushInput {
    uint64_t worker = 0;
    uint64_t incarnation = 0;
    uint64_t sequence = 0;
    uint64_t floor = 0;
    uint64_t base_version = 0;
    uint32_t active_workers = 1;
    const Codec* codec = nullptr;
    absl::Span<const std::byte> payload;
    bool known_finite = false;  // somebody has looked through the payload's values already
    // For decoded and stepped; null: nobody asks.
    const StageMarks<ServerPushTimes>* marks = nullptr;
  };

  struct PushOutput {
    wire::Verdict verdict = wire::Verdict::kNone;
    bool duplicate = false;
    uint64_t staleness = 0;
    uint64_t version = 0;  // after the push; of a duplicate: after the original
  };

  // Everything that a snapshot keeps of a fragment.
  struct State {
    uint64_t version = 0;
    std::vector<float> theta;
    OuterState optimizer;
    absl::flat_hash_map<uint64_t, DedupWindow> dedup;  // by worker
  };

  // `optimizer` and `staleness` outlive the fragment.
  Fragment(const FragmentSpec& spec, State state, const OuterOptimizer* optimizer,
           const optim::StalenessPolicy* staleness);

  const FragmentSpec& spec() const { return spec_; }
  uint64_t version() const { return version_.load(std::memory_order_acquire); }
  uint64_t durable_version() const { return durable_version_.load(std::memory_order_acquire); }
  void set_durable_version(uint64_t version) {
    durable_version_.store(version, std::memory_order_release);
  }

  // Dedup, staleness, decode, outer step. INVALID_ARGUMENT: the payload is no encoding of this fragment or decodes to
  // something that is not finite; RESOURCE_EXHAUSTED: no scratch memory. An error changes nothing.
  absl::StatusOr<PushOutput> Push(const PushInput& input, BufferPool& scratch);

  // What a pull for `window` (0: the newest) can be answered from at once, or null: then Publish on the strand.
  std::shared_ptr<Published> TryPublished(uint64_t window);
  std::shared_ptr<Published> Publish(uint64_t window);

  // The answer to a pull by differences, from the published chain of `codec`. A chain that is begun gets the id `fresh_id`, which is
  // random. Beyond `chains_max` chains, one whose codec nobody holds any more makes room, and takes the windows' copies with it;
  // not before, since its clients may only be reconnecting. On the strand.
  PublishedChain::Answer AnswerByDifferences(uint64_t window,
                                             const std::shared_ptr<const Codec>& codec,
                                             wire::ChainPosition held, uint64_t fresh_id,
                                             size_t chains_max);

  // From now on, what is published lies in the area, where the fragment is the one at `index`. On the strand, at most once.
  void Expose(std::shared_ptr<ExposedArea> area, size_t index);

  State Export() const { return state_; }

  // A worker whose name is forgotten needs no dedup window any more.
  void ForgetWorker(uint64_t worker) { state_.dedup.erase(worker); }

 private:
  struct Chain {
    PublishedChain published;
    std::weak_ptr<const Codec> codec;  // expired: no session uses it
  };

  absl::Status DecodeAndStep(const PushInput& input, float weight, uint64_t staleness,
                             BufferPool& scratch, PushOutput& output);
  // Of a sparse delta: touches only what it has.
  absl::StatusOr<ApplyResult> AddInPlace(const PushInput& input, float factor, BufferPool& scratch);
  absl::StatusOr<ApplyResult> StepDense(const PushInput& input, const ApplyContext& context,
                                        BufferPool& scratch);
  PublishedChain& ChainFor(const std::shared_ptr<const Codec>& codec, uint64_t fresh_id,
                           size_t chains_max);
  std::shared_ptr<Published> NewPublished();
  std::shared_ptr<Published> PinLocked(uint64_t window, std::shared_ptr<Published> published)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const FragmentSpec spec_;
  const OuterOptimizer* const optimizer_;
  const optim::StalenessPolicy* const staleness_;

  // Strand only.
  State state_;
  std::map<std::string, Chain> chains_;  // by the codec's spec

  // Any thread.
  std::atomic<uint64_t> version_;
  std::atomic<uint64_t> durable_version_{0};
  absl::Mutex mutex_;
  std::shared_ptr<Published> newest_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::shared_ptr<Published>> by_window_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Exposure> exposure_ ABSL_GUARDED_BY(mutex_);  // null: no client reads by itself
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_FRAGMENT_H_
