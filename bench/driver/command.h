// The command line of tideway-bench: what is asked for, and how the answer is printed.
#ifndef TIDEWAY_BENCH_DRIVER_COMMAND_H_
#define TIDEWAY_BENCH_DRIVER_COMMAND_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "bench/driver/context.h"

namespace bench {

// Runs it with the words behind `tideway-bench`; tables and JSON go to `out`, progress and errors to `err`. Returns the exit status:
// 0 done; 1 something could not be measured; 2 the command line asks for what does not exist. Blocks for as long as it measures.
int RunCommand(const std::vector<std::string>& arguments, const CommandContext& context,
               std::ostream& out, std::ostream& err);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_COMMAND_H_
