// Worker: the worker's end of the forms that one worker does: it pushes its vector, pulls into one, or both.
//
// Throws what goes wrong, as all of bench/peer. Threads: the constructor blocks until it has joined; completions come on the runtime's.

#ifndef TIDEWAY_BENCH_PEER_WORKER_H_
#define TIDEWAY_BENCH_PEER_WORKER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bench/common/control.h"
#include "bench/common/vectors.h"
#include "bench/peer/ends.h"
#include "bench/peer/stage_log.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"

namespace bench {

class Worker {
 public:
  // Both outlive it.
  Worker(tideway::Runtime& runtime, const Settings& settings);

  // To be done over and over.
  Work MakeWork();
  // One operation of the form. `ended` is told what went wrong, or "".
  void Begin(Work::Ended ended);
  // Whether what arrived, here and with a lossy codec there too, is right.
  bool Check();

  uint64_t pushes() const { return pushes_; }
  StageLog& stages() { return stages_; }

 private:
  absl::Time Deadline() const { return runtime_.executor().Now() + kOperationTimeout; }
  tideway::PushOptions push_options() const {
    return {.inner_steps = 1, .known_finite = settings_.known_finite};
  }

  void Push(Work::Ended ended);
  void Pull(Work::Ended ended);
  void PushPull(Work::Ended ended);
  // Both directions at once; ended when both have.
  void PushAndPull(Work::Ended ended);
  std::span<float> delta();
  absl::Span<float> pulled() { return absl::MakeSpan(pulled_.data(), pulled_.size()); }

  tideway::Runtime& runtime_;
  const Settings& settings_;
  const tideway::Layout layout_;
  Vector pulled_;  // empty: it pushes only
  StageLog stages_;
  int pulls_ = 0;  // this and the next: completions come one at a time
  uint64_t pushes_ = 0;
  std::optional<tideway::SharedVector> shared_delta_;  // one of these two, unless it pulls only
  std::optional<Vector> own_delta_;
  std::unique_ptr<tideway::Client> client_;  // its destructor waits for completions
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_PEER_WORKER_H_
