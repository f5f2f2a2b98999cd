// tideway-bench: the interconnect benchmark. See --help and docs/benchmarks.md.

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>
#include <vector>

#include "bench/driver/command.h"
#include "bench/peer/peer.h"
#include "tideway/builtin_transports.h"

int main(int argc, char** argv) {
  // What the driver starts: one end of a measurement.
  if (argc > 1 && std::string(argv[1]) == "peer") return bench::PeerMain(argc - 1, argv + 1);
  std::error_code no_proc;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", no_proc);
  return bench::RunCommand({argv + 1, argv + argc},
                           {.transports = tideway::BuiltinTransports(),
                            .self = no_proc ? argv[0] : self.string(),
                            .on_terminal = isatty(STDERR_FILENO) == 1},
                           std::cout, std::cerr);
}
