// main of a program that measures a server in a process of its own, which is this program again in its other role.
#ifndef TIDEWAY_BENCH_MEMORY_ROLES_H_
#define TIDEWAY_BENCH_MEMORY_ROLES_H_

#include <functional>
#include <string>
#include <vector>

#include "bench/common/options.h"

namespace bench {

// What `measure` and `server` do with the command line's options, of which `names` are allowed. The exit status: failure also where
// `measure` says false.
int RunInRole(int argc, char** argv, const std::vector<std::string>& names,
              const std::function<bool(const Options&)>& measure,
              const std::function<void(const Options&)>& server);

}  // namespace bench

#endif  // TIDEWAY_BENCH_MEMORY_ROLES_H_
