// What the ends of all forms have in common: settings, a server of one vector, workers that join it.
//
// Like all of bench/common, this throws what goes wrong, with a sentence for the user; Main (control.h) prints it.

#ifndef TIDEWAY_BENCH_PEER_ENDS_H_
#define TIDEWAY_BENCH_PEER_ENDS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/common/options.h"
#include "bench/peer/stage_log.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"
#include "tideway/server.h"

namespace bench {

inline constexpr absl::Duration kOperationTimeout = absl::Seconds(30);

struct Settings {
  explicit Settings(const Options& options);

  bool pulls_only() const { return form == "pull"; }
  bool exchanges() const { return form == "push-pull" || form == "train-step"; }
  bool lossy() const { return codec != "identity"; }

  std::string uri;
  std::string form;  // push, pull, push-pull, bidir, incast or train-step
  size_t bytes;
  size_t fragment_bytes;
  int threads;
  size_t workers;
  size_t outstanding;  // pushes that are not acknowledged yet
  std::string codec;
  bool known_finite;
  std::string pull;
  bool stages;        // keep the times of pushes
  bool shared_delta;  // the worker's delta lies in shared memory, where the server can read that
  // Of train-step:
  size_t inner_steps;  // between two exchanges
  double step_s;       // of one, where nothing else runs
  bool overlap;        // steps go on while an exchange is under way
  bool completions_at_once;
};

void Check(const absl::Status& status);

template <typename T>
T Get(absl::StatusOr<T> result) {
  Check(result.status());
  return *std::move(result);
}

tideway::RuntimeOptions MakeRuntimeOptions(const Settings& settings);
tideway::Layout MakeLayout(const Settings& settings);

// A joined client. `stages`: where the times of its pushes are kept; null: nowhere.
std::unique_ptr<tideway::Client> Join(tideway::Runtime& runtime, const Settings& settings,
                                      const tideway::Layout& layout, const std::string& name,
                                      StageLog* stages = nullptr);

// What a push has come to: "" where all of it was applied.
std::string PushError(const absl::StatusOr<tideway::PushReport>& report);

// A server of one vector, and whether that is what it must be. `settings` and `stages` (as above) outlive it.
class VectorServer {
 public:
  VectorServer(tideway::Runtime& runtime, const Settings& settings, StageLog* stages = nullptr);

  std::string address() const { return server_->addresses()[0]; }
  bool Verify(uint64_t pushes);

 private:
  const Settings& settings_;
  std::vector<float> vector_;
  std::unique_ptr<tideway::Server> server_;  // its destructor stops it
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_PEER_ENDS_H_
