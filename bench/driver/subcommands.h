// Subcommands: what tideway-bench can do, one line each, and the flags of each.
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_SUBCOMMANDS_H_
#define TIDEWAY_BENCH_DRIVER_SUBCOMMANDS_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "bench/driver/flags.h"

namespace CLI {
class App;
}

namespace bench {

// What is read from the command line as it stands there; the rest of Flags is made from it.
struct Texts {
  std::string sizes;       // empty: the subcommand has none
  std::string parameters;  // in place of sizes
  std::string fragment;
  std::vector<std::string> links;
  std::string cpus;
  std::string numa;
};

struct Subcommand {
  const char* name;
  const char* summary;
  // Sets the defaults and adds the flags, which fill `parsed` and `texts`: these outlive the app.
  void (*add)(CLI::App& app, Parsed& parsed, Texts& texts);
};

absl::Span<const Subcommand> Subcommands();

// What stands below every help.
extern const char* const kExamples;

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_SUBCOMMANDS_H_
