// The runtime of one simulated process.

#ifndef TIDEWAY_TESTS_SIM_SIM_RUNTIME_H_
#define TIDEWAY_TESTS_SIM_SIM_RUNTIME_H_

#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "tideway/builtin_codecs.h"
#include "tideway/runtime.h"
#include "tideway/sim_executor.h"

namespace tideway::testing {

// With one transport and all codecs of the library. `executor` outlives it.
inline std::unique_ptr<Runtime> NewSimRuntime(SimExecutor* executor, TransportEntry transport) {
  RuntimeOptions options;
  EXPECT_TRUE(options.transports.Add(std::move(transport)).ok());
  options.codecs = BuiltinCodecs();
  options.executor = executor;
  return std::make_unique<Runtime>(std::move(options));
}

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_SIM_SIM_RUNTIME_H_
