#include "bench/memory/roles.h"

#include <cstdlib>
#include <stdexcept>

#include "bench/common/control.h"

namespace bench {

int RunInRole(int argc, char** argv, const std::vector<std::string>& names,
              const std::function<bool(const Options&)>& measure,
              const std::function<void(const Options&)>& server) {
  bool good = true;
  const int status = Main([&] {
    const Options options(argc, argv, names);
    if (options.role() == "server") {
      server(options);
    } else if (options.role() == "measure") {
      good = measure(options);
    } else {
      throw std::invalid_argument("'" + options.role() + "' is no role; there are measure, server");
    }
  });
  return status == EXIT_SUCCESS && !good ? EXIT_FAILURE : status;
}

}  // namespace bench
