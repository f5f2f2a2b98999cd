// Stages: where the time of a push goes, fragment by fragment: what the worker and the server noted of the same fragments
// (tideway/push_times.h), put together.
//
// Threads: plain values and functions.

#ifndef TIDEWAY_BENCH_DRIVER_STAGES_H_
#define TIDEWAY_BENCH_DRIVER_STAGES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace bench {

enum class StagePlace { kWorker, kWire, kServer };

struct Stage {
  const char* name;
  StagePlace place;
};
// In order; each begins where the one before it ends.
inline constexpr std::array<Stage, 8> kStages = {{
    {"queue",
     StagePlace::kWorker},  // until credit, a codec's thread and room with the transport are there
    {"encode", StagePlace::kWorker},        // of identity: the hash
    {"send", StagePlace::kWire},            // until the server has its header
    {"receive", StagePlace::kWire},         // until the server has all of it
    {"server queue", StagePlace::kServer},  // until it is its turn
    {"decode-add", StagePlace::kServer},    // checked and decoded; of a sparse delta also added
    {"optimizer", StagePlace::kServer},     // the outer step
    {"ack", StagePlace::kWire},             // until the worker has heard of it
}};

struct FragmentTimes {
  int64_t sequence = 0;
  int64_t fragment = 0;
  int64_t bytes = 0;  // encoded
  // Nanoseconds of the host's monotonic clock: begin of the first stage, then the end of each. Never falls from one to the next.
  std::array<int64_t, kStages.size() + 1> at_ns = {};

  int64_t begin_ns(size_t stage) const { return at_ns[stage]; }
  int64_t end_ns(size_t stage) const { return at_ns[stage + 1]; }
  int64_t took_ns(size_t stage) const { return end_ns(stage) - begin_ns(stage); }
};

// Of what both answer to "stages" (bench/common/control.h): the fragments that both know, in the order in which they were acknowledged.
// INTERNAL: that is no such answer.
absl::StatusOr<std::vector<FragmentTimes>> JoinStages(const nlohmann::json& client,
                                                      const nlohmann::json& server);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_STAGES_H_
