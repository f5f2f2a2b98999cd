#include "tideway/runtime.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/runtime/forget.h"

namespace tideway {

Runtime::Runtime(RuntimeOptions options)
    : options_(std::move(options)),
      executor_(options_.executor),
      instances_(std::make_unique<Instances>()) {
  if (executor_ != nullptr) return;
  owned_executor_ = NewThreadExecutor(options_.executor_options);
  executor_ = owned_executor_.get();
}

Runtime::~Runtime() {
  if (process_.IsHere()) {
    Stop();
  } else {
    Forget(instances_);
  }
}

void Runtime::Log(LogLevel level, absl::string_view text) const {
  if (options_.log) options_.log(level, text);
}

absl::StatusOr<Transport*> Runtime::TransportFor(absl::string_view scheme) {
  if (absl::Status here = CheckProcess(); !here.ok()) return here;
  absl::StatusOr<const TransportEntry*> entry = options_.transports.FindScheme(scheme);
  if (!entry.ok()) return entry.status();
  absl::MutexLock lock(&instances_->mutex);
  if (instances_->stopped) return absl::CancelledError("the runtime has been stopped");
  auto found = instances_->by_name.find((*entry)->name);
  if (found != instances_->by_name.end()) return found->second.get();
  const TransportInfo info = (*entry)->probe();
  if (!info.viable) {
    return absl::UnavailableError(
        absl::StrCat("the transport ", info.name, " can't work here: ", info.unavailable_reason));
  }
  absl::StatusOr<std::unique_ptr<Transport>> made =
      (*entry)->create({.executor = executor_, .log = options_.log});
  if (!made.ok()) return made.status();
  return instances_->by_name.emplace((*entry)->name, *std::move(made)).first->second.get();
}

// The instances stay until destruction: clients and servers may still hold pointers to them.
void Runtime::Stop() {
  if (!process_.IsHere()) return;
  std::vector<Transport*> transports;
  {
    absl::MutexLock lock(&instances_->mutex);
    instances_->stopped = true;
    for (const auto& [name, transport] : instances_->by_name) transports.push_back(transport.get());
  }
  // Without the lock: what a transport calls back may ask for a transport.
  for (Transport* transport : transports) transport->Stop();
  if (owned_executor_ != nullptr) owned_executor_->Stop();
}

}  // namespace tideway
