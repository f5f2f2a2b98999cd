// Outer optimizers that are tables of C functions.

#ifndef TIDEWAY_BINDINGS_C_OPTIMIZER_PLUGIN_H_
#define TIDEWAY_BINDINGS_C_OPTIMIZER_PLUGIN_H_

#include "absl/status/status.h"
#include "bindings/c/tideway.h"
#include "tideway/outer_optimizer.h"

namespace tideway::c {

// INVALID_ARGUMENT for a table of another size, a bad name or a function missing; ALREADY_EXISTS for a name that is taken. The table
// is copied; what it points to stays until the registry and all optimizers made from it are gone.
absl::Status AddOptimizerPlugin(const tideway_outer_optimizer& plugin,
                                OuterOptimizerRegistry& registry);

}  // namespace tideway::c

#endif  // TIDEWAY_BINDINGS_C_OPTIMIZER_PLUGIN_H_
