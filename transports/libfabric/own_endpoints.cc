#include "transports/libfabric/own_endpoints.h"

#include <unistd.h>

#include <set>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace tideway::libfabric {
namespace {

ABSL_CONST_INIT absl::Mutex open_lock(absl::kConstInit);

std::set<std::string>& OpenOnes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(open_lock) {
  static auto* const addresses = new std::set<std::string>;
  return *addresses;
}

// The shm provider's addresses are fi_shm://PID:USER:NUMBER.
bool IsOwn(const std::string& address) {
  return absl::StartsWith(address, absl::StrCat("fi_shm://", getpid(), ":"));
}

}  // namespace

void NoteOpened(const std::string& address) {
  if (!IsOwn(address)) return;
  absl::MutexLock lock(&open_lock);
  OpenOnes().insert(address);
}

void CloseOwn(const std::string& address, absl::FunctionRef<void()> close) {
  if (!IsOwn(address)) return close();
  absl::MutexLock lock(&open_lock);
  OpenOnes().erase(address);
  close();
}

int InsertOpen(const std::string& address, absl::FunctionRef<int()> insert) {
  if (!IsOwn(address)) return insert();
  absl::MutexLock lock(&open_lock);
  return OpenOnes().contains(address) ? insert() : 0;
}

}  // namespace tideway::libfabric
