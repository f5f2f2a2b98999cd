// LocalSgd: asynchronous Local-SGD for a trainer that already exists, in ten lines.
//
//   std::vector<tideway::ParameterView> views = ...;              // where the parameters live, fp32
//   auto sync = tideway::LocalSgd::Join(&runtime, {.servers = {"tcp://head:5000"}, .codec_up = "int8"}, views);
//   if (!sync.ok()) return sync.status();                          // the parameters now hold the servers' values
//   while (!(*sync)->finished()) {
//     SetLearningRate(Schedule((*sync)->schedule_progress()));
//     double loss = TrainStep(Batch((*sync)->shard(), (*sync)->shard_step()));
//     auto event = (*sync)->AfterInnerStep({.loss = loss, .tokens = tokens_per_batch});
//     if (!event.ok()) return event.status();
//   }
//   (*sync)->Leave();
//
// After the last inner step of an assignment, AfterInnerStep makes the delta (parameters as pulled minus parameters now),
// pushes it, asks for the next assignment, pulls, and puts the pulled parameters in place. The inner optimizer's state is the
// trainer's and is never touched.
//
// Overlap. With overlap_steps = 0, AfterInnerStep returns when the new parameters are in place. With overlap_steps = t > 0 it
// returns at once; training goes on while the exchange runs, and the result is merged by a later AfterInnerStep, as soon as it
// is there and at the latest t steps later (then it waits). The steps taken meanwhile belong to the next assignment.
//   kRebase: theta = pulled + (theta now - theta at the push): no inner step is lost.
//   kAlpha:  theta = alpha * theta now + (1 - alpha) * pulled (Streaming DiLoCo, arXiv 2501.18512).
//
// Threads: one training thread calls everything but `RequestStop`. The parameters are read and written only inside Join and
// AfterInnerStep, on the calling thread; between calls they are the trainer's. Blocks only as said above.
//
// Memory: two copies of the parameters (as pulled, and being exchanged), a third with pull_differences, the residual if codec_up is
// lossy, and encoded bytes in flight.
//
// Statuses: those of Client. After an error other than INVALID_ARGUMENT (a NaN, naming the tensor) the object can only be left.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_LOCAL_SGD_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_LOCAL_SGD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tideway/assignment.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"

namespace tideway {

// One parameter tensor: contiguous fp32 memory of the trainer's, alive as long as the LocalSgd.
struct ParameterView {
  std::string name = {};
  std::vector<int64_t> shape = {};
  float* data = nullptr;
};

enum class MergeRule { kRebase, kAlpha };

struct LocalSgdOptions {
  // As in ClientOptions.
  std::vector<std::string> servers = {};
  std::string worker = {};
  std::string codec_up = "identity";
  std::vector<std::string> codecs_up = {"bf16", "int8"};
  std::string codec_down = "identity";
  std::string pull_differences = {};
  bool error_feedback = true;
  float residual_decay = 1.0f;
  float momentum_correction = 0.0f;
  bool factor_masking = true;
  bool keep_rejected = true;
  size_t bytes_in_flight_max = size_t{16} << 20;
  absl::Duration reconnect_timeout = absl::Seconds(60);
  bool one_sided_pull = true;

  size_t fragment_bytes_max = kFragmentBytesDefault;  // must equal the servers'
  // Between two exchanges. 0: as the leading server assigns, which may give a slower worker fewer. Otherwise so many, whatever it assigns; it
  // counts no more than it has assigned.
  uint32_t inner_steps = 0;
  uint32_t overlap_steps = 0;
  MergeRule merge = MergeRule::kRebase;
  double alpha = 0.5;  // kAlpha only

  absl::Duration join_timeout = absl::Seconds(30);
  absl::Duration exchange_timeout = absl::Minutes(15);  // of push, assignment and pull together
  std::vector<float> residual = {};                     // from a checkpoint; empty: zero
};

struct InnerStepInfo {
  double loss = 0;      // of this step; told to the servers, smoothed
  uint64_t tokens = 0;  // that this step trained on
};

// What AfterInnerStep did.
struct SyncEvent {
  bool pushed = false;  // an exchange was started (and, without overlap, finished)
  bool merged = false;  // pulled parameters were put in place
  PushReport push;      // of the exchange that was merged
  PullReport pull;
  double waited_seconds = 0;  // that this call blocked
};

class LocalSgd {
 public:
  static absl::StatusOr<std::unique_ptr<LocalSgd>> Join(Runtime* runtime, LocalSgdOptions options,
                                                        std::vector<ParameterView> parameters);
  virtual ~LocalSgd() = default;

  // After each step of the inner optimizer.
  virtual absl::StatusOr<SyncEvent> AfterInnerStep(const InnerStepInfo& info) = 0;

  // The run's target is reached; the parameters are the final ones.
  virtual bool finished() const = 0;

  virtual const Assignment& assignment() const = 0;
  uint32_t shard() const { return assignment().shard; }
  // Where to sample in the shard for the coming step: counts the inner steps learned in that shard.
  virtual uint64_t shard_step() const = 0;
  // In [0, 1]: the shard's learning-rate schedule at the coming step.
  virtual double schedule_progress() const = 0;
  virtual uint64_t inner_steps() const = 0;  // taken by this incarnation

  // From any thread, also a signal-handling one (not a signal handler): the waiting in AfterInnerStep ends with CANCELLED.
  virtual void RequestStop() = 0;

  // Pushes nothing more, gives the lease back, closes. Called by the destructor if need be.
  virtual absl::Status Leave() = 0;

  // For the worker's checkpoint (Client::residual).
  virtual std::vector<float> residual() const = 0;
  virtual Client& client() = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_LOCAL_SGD_H_
