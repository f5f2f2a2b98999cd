// Wires: which programs move the same bytes over the same wire, so that they can be compared: for each of Tideway's providers its
// address, and the raw program with the options that make it use the same.
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_WIRES_H_
#define TIDEWAY_BENCH_DRIVER_WIRES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bench/driver/pair.h"
#include "bench/driver/placing.h"
#include "tideway/transport.h"

namespace bench {

// How an operation is done, the same for all programs.
struct Load {
  std::string form = "push";  // push, pull, push-pull, bidir, incast or train-step
  size_t bytes = 0;
  size_t outstanding = 1;  // pushes that are not acknowledged yet
  size_t workers = 0;      // of incast
  size_t inner_steps = 0;  // of train-step, as the next two
  absl::Duration step;
  bool overlap = true;
  bool spin = false;                    // both ends poll instead of blocking
  std::string completions = "at-once";  // where the worker's are called
  std::string delta = "shared";  // the worker's memory, where the server can read that; or "own"
  std::string codec = "identity";
  bool stages = false;  // both ends of Tideway note the times of pushes
};

struct WireSettings {
  std::string
      self;  // the path of tideway-bench, in which both ends of Tideway are; the raw programs lie beside it
  std::string host = "127.0.0.1";  // that servers listen on
  std::string congestion;          // of TCP; empty: the host's
  size_t fragment_bytes = 0;       // of Tideway; 0: the default
  Placing placing;
};

// What starts the program that is called "tideway" or "raw_sockets" and so on. NOT_FOUND: there is no such program; UNAVAILABLE: it is
// not where it should be.
absl::StatusOr<std::vector<std::string>> ServerProgram(absl::string_view name,
                                                       const std::string& self);

// The names that `asked` stands for, all of which can be used here: a provider's name ("ucx/sm"), a transport or scheme for all its
// viable providers, "all" for everything viable, "auto". NOT_FOUND, with the names there are; UNAVAILABLE: it can't work here, why.
absl::StatusOr<std::vector<std::string>> ResolveTransports(
    const tideway::TransportRegistry& transports, const std::vector<std::string>& asked);

// REQUIRES: a name that ResolveTransports gave.
absl::StatusOr<PairCommand> TidewayPair(const tideway::TransportRegistry& transports,
                                        absl::string_view provider, const Load& load,
                                        const WireSettings& settings);

// Whether there is a raw program that does this over what that provider uses.
bool HasRaw(absl::string_view provider, absl::string_view form);

// NOT_FOUND: nothing raw uses that wire; UNAVAILABLE: the program isn't there.
absl::StatusOr<PairCommand> RawPair(absl::string_view provider, const Load& load,
                                    size_t chunk_bytes, const WireSettings& settings);

// Sizes of the pieces that a raw program may cut `bytes` into; the quickest is to be found.
std::vector<size_t> RawChunks(size_t bytes);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_WIRES_H_
