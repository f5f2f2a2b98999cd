#include "tideway/process_mark.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>

#include "absl/strings/str_cat.h"

namespace tideway {
namespace {

// How many forks this process is away from the one that made the first mark. One for all, as the process is; a child's begins where
// its parent's was.
std::atomic<uint64_t> generation{0};

// Once per process and its children, who inherit the handler. It fails only where there is no memory.
void WatchForks() {
  [[maybe_unused]] static const int failed =
      pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
}

uint64_t WatchedGeneration() {
  WatchForks();
  return generation.load(std::memory_order_relaxed);
}

}  // namespace

ProcessMark::ProcessMark() : generation_(WatchedGeneration()), process_(getpid()) {}

bool ProcessMark::IsHere() const {
  return generation.load(std::memory_order_relaxed) == generation_;
}

absl::Status ProcessMark::Check() const {
  if (IsHere()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "this belongs to process ", process_, ", of which process ", getpid(),
      " was forked without its threads; make a runtime of the child's own, and in it what the "
      "child needs, or fork before the parent makes one"));
}

}  // namespace tideway
