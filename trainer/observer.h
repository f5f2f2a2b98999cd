// Observer: watches a run from outside: statistics of all servers, and their parameters.
//
// Blocking; one thread.
#ifndef TIDEWAY_TRAINER_OBSERVER_H_
#define TIDEWAY_TRAINER_OBSERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"
#include "tideway/stats.h"

namespace tideway::trainer {

class Observer {
 public:
  static absl::StatusOr<std::unique_ptr<Observer>> Connect(Runtime* runtime,
                                                           std::vector<std::string> servers,
                                                           const Layout& layout);
  ~Observer() { client_->Close(); }

  // Of all servers together.
  absl::StatusOr<ServerStats> Stats();
  // The newest parameters, in fp32.
  absl::Status Pull(absl::Span<float> destination);

 private:
  Observer(std::unique_ptr<Client> client, uint32_t servers)
      : client_(std::move(client)), servers_(servers) {}

  std::unique_ptr<Client> client_;
  uint32_t servers_;
};

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_OBSERVER_H_
