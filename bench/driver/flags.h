// The flags of tideway-bench's measuring subcommands.
#ifndef TIDEWAY_BENCH_DRIVER_FLAGS_H_
#define TIDEWAY_BENCH_DRIVER_FLAGS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/driver/link.h"
#include "bench/driver/outputs.h"
#include "bench/driver/placing.h"

namespace bench {

struct Flags {
  std::string subcommand;
  std::vector<std::string>
      forms;  // what is measured of each case: the subcommand, or several for `matrix`
  std::vector<std::string> transports = {"tcp"};
  std::vector<size_t> sizes;
  std::vector<std::string> codecs = {"identity"};
  bool raw = false;
  Outputs outputs;
  bool transport_named = false;
  std::vector<Link> links;  // to be simulated; empty: a real transport
  bool breakdown = false;   // tell how long the stages of pushes take
  int rounds = 6;
  double seconds = 0.5;
  std::string wait = "block";
  std::string completions = "at-once";
  std::string delta = "shared";
  size_t outstanding = 1;
  std::vector<size_t> workers = {0};       // of incast: numbers of workers; 0: it isn't incast
  std::vector<size_t> inner_steps = {50};  // of train-step, as the next two
  double step_ms = 10;
  bool overlap = true;        // steps go on while an exchange is under way
  size_t fragment_bytes = 0;  // 0: Tideway's default
  std::string congestion;     // of TCP; empty: the host's
  Placing placing;
  std::string connect;  // where the server's ends run; empty: on this host
};

struct Parsed {
  Flags flags;
  bool server = false;  // serve other hosts, instead of measuring
  std::string listen;   // where
  std::vector<std::string>
      files;  // runs to `compare` (two) or to `report` (one), instead of measuring
  double threshold_percent = 5;       // of `compare`
  std::optional<std::string> answer;  // to --help or --version: to be printed, and nothing else
};

// INVALID_ARGUMENT: one sentence about what is wrong.
absl::StatusOr<Parsed> ParseFlags(const std::vector<std::string>& arguments);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_FLAGS_H_
