// What the tests of tideway-bench's command line share.

#ifndef TIDEWAY_BENCH_DRIVER_COMMAND_TESTING_H_
#define TIDEWAY_BENCH_DRIVER_COMMAND_TESTING_H_

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "bench/driver/command.h"
#include "nlohmann/json.hpp"
#include "tideway/builtin_transports.h"

namespace bench {

struct Answer {
  int status;
  std::string out;
  std::string err;

  nlohmann::json json() const { return nlohmann::json::parse(out, nullptr, false); }
};

inline Answer Ask(const std::vector<std::string>& arguments,
                  const std::string& self = TIDEWAY_BENCH_PROGRAM,
                  tideway::TransportRegistry transports = tideway::BuiltinTransports()) {
  std::ostringstream out;
  std::ostringstream err;
  const int status =
      RunCommand(arguments, {.transports = std::move(transports), .self = self}, out, err);
  return {status, out.str(), err.str()};
}

// As quick as it can be.
inline std::vector<std::string> Short(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--rounds", "1", "--seconds", "0.01"});
  return arguments;
}

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_COMMAND_TESTING_H_
