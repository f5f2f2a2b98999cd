#include "core/client/shared_deltas.h"

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tideway {
namespace {

uint64_t Nonce(ClientTasks& tasks) {
  uint64_t nonce = 0;
  while (nonce == 0) nonce = tasks.Random();
  return nonce;
}

}  // namespace

absl::StatusOr<std::shared_ptr<SharedBlock>> SharedDeltas::New(size_t bytes) {
  absl::MutexLock lock(&mutex_);
  for (auto& place : blocks_) {
    if (!place.expired()) continue;
    auto block = SharedBlock::Create(bytes, Nonce(*tasks_));
    if (block.ok()) place = *block;
    return block;
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("a client has at most ", kSharedBlocksMax, " shared deltas; drop one first"));
}

SharedDelta SharedDeltas::Find(absl::Span<const std::byte> memory) {
  absl::MutexLock lock(&mutex_);
  for (uint32_t number = 0; number < blocks_.size(); ++number) {
    auto block = blocks_[number].lock();
    if (block == nullptr) continue;
    const absl::Span<const std::byte> all = block->span();
    const std::less_equal<const std::byte*> before;
    if (before(all.data(), memory.data()) &&
        before(memory.data() + memory.size(), all.data() + all.size())) {
      return {std::move(block), number};
    }
  }
  return {};
}

absl::Status SharedDeltas::Abandon(const SharedDelta& delta, uint64_t nonce) {
  if (delta.block->descriptor().nonce != nonce) return absl::OkStatus();  // it has done so already
  return delta.block->Leave(Nonce(*tasks_));
}

}  // namespace tideway
