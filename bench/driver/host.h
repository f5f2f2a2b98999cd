// Where the server's end of a pair runs: on this host, or on another one that runs `tideway-bench --server`.
//
// Between hosts nothing but one TCP connection to that program is needed, with lines in both directions (line_channel.h). The server
// begins with what it is:
//
//   {"tideway_bench": "tideway-bench/1", "version": "0.1.0", "commit": ..., "machine": {...}, "versions": {...}}
//
// and then answers each line with one: `start {"program": "raw_sockets", "options": ["server", "--form=push", ...]}` with the first
// answer of the program that it has started; `stop`, which ends that program, with {"stopped": true}; and everything else goes to the
// program, as its answer comes back (bench/common/control.h). What can't be done is answered with {"error": a sentence}.
//
// Threads: one at a time.

#ifndef TIDEWAY_BENCH_DRIVER_HOST_H_
#define TIDEWAY_BENCH_DRIVER_HOST_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/driver/pair.h"
#include "bench/driver/program.h"
#include "nlohmann/json.hpp"

namespace bench {

class Host {
 public:
  virtual ~Host() = default;

  // Starts the server of `pair`, which says its address first. One at a time.
  virtual absl::StatusOr<std::unique_ptr<Program>> StartServer(const PairCommand& pair) = 0;
  // Where its programs can listen, as this end names it.
  virtual std::string address() const = 0;
  // What it said of itself; null: it is this host.
  virtual nlohmann::json about() const { return nullptr; }
};

std::unique_ptr<Host> LocalHost();

// `uri`: tcp://HOST:PORT of a `tideway-bench --server`. UNAVAILABLE: nobody answers there; FAILED_PRECONDITION: it is another version
// of Tideway, or no tideway-bench at all. Blocks for a few seconds at most.
absl::StatusOr<std::unique_ptr<Host>> ConnectHost(absl::string_view uri);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_HOST_H_
