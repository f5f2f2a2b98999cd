// What tideway-bench knows of where it runs.
#ifndef TIDEWAY_BENCH_DRIVER_CONTEXT_H_
#define TIDEWAY_BENCH_DRIVER_CONTEXT_H_

#include <string>

#include "tideway/transport.h"

namespace bench {

struct CommandContext {
  tideway::TransportRegistry transports;
  std::string self;          // the path of tideway-bench; the raw programs lie beside it
  bool on_terminal = false;  // whether somebody watches standard error
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_CONTEXT_H_
