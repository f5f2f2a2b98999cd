// What stands behind tideway_client, and how its options become C++.

#ifndef TIDEWAY_BINDINGS_C_CLIENT_H_
#define TIDEWAY_BINDINGS_C_CLIENT_H_

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "bindings/c/operation.h"
#include "bindings/c/runtime.h"
#include "bindings/c/tideway.h"
#include "tideway/client.h"

struct tideway_client {
  std::shared_ptr<tideway::c::SharedRuntime> runtime;  // first: goes last
  std::shared_ptr<tideway::c::CompletionQueue> queue =
      std::make_shared<tideway::c::CompletionQueue>();
  std::unique_ptr<tideway::Client> owned;  // null: it is a tideway_local_sgd's
  tideway::Client* client = nullptr;
  std::atomic<bool> closed{false};
};

namespace tideway::c {

absl::Status ToOptions(const tideway_client_options* given, ClientOptions& options);

}  // namespace tideway::c

#endif  // TIDEWAY_BINDINGS_C_CLIENT_H_
