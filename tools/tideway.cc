// tideway: asks a host and a build of Tideway what they can do. See --help.

#include <iostream>
#include <string>
#include <vector>

#include "tideway/builtin_transports.h"
#include "tideway/version.h"
#include "tools/exit_status.h"
#include "tools/transports_command.h"

namespace {

using Arguments = std::vector<std::string>;

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments& arguments);
};

int Transports(const Arguments& arguments) {
  return tideway::tools::RunTransports(arguments, tideway::BuiltinTransports(), std::cout,
                                       std::cerr);
}

constexpr Command kCommands[] = {
    {"transports", "what this host has to move bytes with, why not the rest, and how quick it is",
     &Transports},
};

void PrintHelp(std::ostream& out) {
  out << "Usage: tideway COMMAND [FLAG...]\n\nCommands:\n";
  for (const Command& command : kCommands) {
    out << "  " << command.name << "    " << command.summary << "\n";
  }
  out << "\nExamples:\n"
         "  tideway transports                      a table of transports and providers\n"
         "  tideway transports --measure --json     with figures, for programs\n"
         "  tideway COMMAND --help                  the flags of a command\n"
         "  tideway --version\n";
}

int Run(const Arguments& arguments) {
  const std::string word = arguments.empty() ? "" : arguments[0];
  if (word == "--help" || word == "-h" || word == "help") {
    PrintHelp(std::cout);
    return tideway::tools::kDoneStatus;
  }
  if (word == "--version") {
    std::cout << "tideway " << tideway::kVersion << "\n";
    return tideway::tools::kDoneStatus;
  }
  for (const Command& command : kCommands) {
    if (word == command.name) return command.run({arguments.begin() + 1, arguments.end()});
  }
  if (word.empty()) {
    PrintHelp(std::cerr);
  } else {
    std::cerr << "tideway: there is no command '" << word << "'; there is:";
    for (const Command& command : kCommands) std::cerr << " " << command.name;
    std::cerr << std::endl;
  }
  return tideway::tools::kUsageStatus;
}

}  // namespace

int main(int argc, char** argv) { return Run({argv + 1, argv + argc}); }
