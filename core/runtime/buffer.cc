#include "tideway/buffer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "core/runtime/memory_block.h"

namespace tideway {
namespace {

// Size classes: eight steps per power of two, so that at most an eighth of a block is rounding.
constexpr int kStepBits = 3;
constexpr int kSmallestShift = 9;  // 512 bytes: headroom and a little
constexpr size_t kClasses = (sizeof(size_t) * 8 - kSmallestShift) << kStepBits;

// No arithmetic on sizes below this can overflow.
constexpr size_t kBlockBytesMax = SIZE_MAX / 4;

struct SizeClass {
  size_t index = 0;
  size_t bytes = 0;
};

SizeClass ClassFor(size_t bytes) {
  bytes = std::max(bytes, size_t{1} << kSmallestShift);
  const int shift = std::bit_width(bytes) - 1;  // 2^shift <= bytes
  const size_t step = size_t{1} << (shift - kStepBits);
  const size_t steps =
      (bytes - (size_t{1} << shift) + step - 1) / step;  // 0..8; 8 is the next power of two
  return {(static_cast<size_t>(shift - kSmallestShift) << kStepBits) + steps,
          (size_t{1} << shift) + steps * step};
}

}  // namespace

static_assert(kBufferHeadroom % kBufferAlignment == 0, "data() must be aligned as the block is");

namespace internal {

struct BufferArena {
  BufferArena(size_t lent_max, size_t idle_max) : bytes_max(lent_max), idle_bytes_max(idle_max) {}

  ~BufferArena() {
    absl::MutexLock lock(&mutex);
    for (std::vector<std::byte*>& blocks : idle) {
      for (std::byte* block : blocks) std::free(block);
    }
  }

  static absl::StatusOr<Buffer> Take(const std::shared_ptr<BufferArena>& arena, size_t bytes) {
    if (bytes > std::min(arena->bytes_max, kBlockBytesMax)) return arena->Exhausted(bytes, 0);
    const SizeClass wanted = ClassFor(bytes + kBufferHeadroom);
    Buffer buffer;
    {
      absl::MutexLock lock(&arena->mutex);
      if (wanted.bytes > arena->bytes_max - arena->lent_bytes) {
        return arena->Exhausted(bytes, arena->lent_bytes);
      }
      arena->lent_bytes += wanted.bytes;
      std::vector<std::byte*>& blocks = arena->idle[wanted.index];
      if (!blocks.empty()) {
        buffer.block_ = blocks.back();
        blocks.pop_back();
        arena->idle_bytes -= wanted.bytes;
      }
    }
    if (buffer.block_ == nullptr) buffer.block_ = AllocateBlock(wanted.bytes, kBufferAlignment);
    if (buffer.block_ == nullptr) {
      absl::MutexLock lock(&arena->mutex);
      arena->lent_bytes -= wanted.bytes;
      return absl::ResourceExhaustedError(
          absl::StrCat("the system has no memory for a buffer of ", bytes, " bytes"));
    }
    buffer.size_ = bytes;
    buffer.block_bytes_ = wanted.bytes;
    buffer.arena_ = arena;
    return buffer;
  }

  void GiveBack(std::byte* block, size_t block_bytes) {
    {
      absl::MutexLock lock(&mutex);
      lent_bytes -= block_bytes;
      if (block_bytes <= idle_bytes_max && idle_bytes <= idle_bytes_max - block_bytes) {
        idle[ClassFor(block_bytes).index].push_back(block);
        idle_bytes += block_bytes;
        return;
      }
    }
    std::free(block);
  }

  absl::Status Exhausted(size_t bytes, size_t lent) const {
    return absl::ResourceExhaustedError(
        absl::StrCat("a buffer of ", bytes, " bytes does not fit: ", lent, " of the pool's ",
                     bytes_max, " bytes are lent out; give some back or make the pool larger"));
  }

  const size_t bytes_max;
  const size_t idle_bytes_max;
  absl::Mutex mutex;
  size_t lent_bytes ABSL_GUARDED_BY(mutex) = 0;
  size_t idle_bytes ABSL_GUARDED_BY(mutex) = 0;
  std::array<std::vector<std::byte*>, kClasses + 1> idle ABSL_GUARDED_BY(mutex);
};

}  // namespace internal

Buffer::Buffer(Buffer&& other) noexcept
    : block_(std::exchange(other.block_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      block_bytes_(std::exchange(other.block_bytes_, 0)),
      arena_(std::move(other.arena_)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    Buffer old(std::move(*this));
    block_ = std::exchange(other.block_, nullptr);
    size_ = std::exchange(other.size_, 0);
    block_bytes_ = std::exchange(other.block_bytes_, 0);
    arena_ = std::move(other.arena_);
  }
  return *this;
}

Buffer::~Buffer() {
  if (block_ != nullptr) arena_->GiveBack(block_, block_bytes_);
}

void Buffer::Truncate(size_t bytes) {
  assert(bytes <= size_);
  size_ = bytes;
}

BufferPool::BufferPool(size_t bytes_max, size_t idle_bytes_max)
    : arena_(std::make_shared<internal::BufferArena>(bytes_max, idle_bytes_max)) {}

absl::StatusOr<Buffer> BufferPool::Take(size_t bytes) {
  return internal::BufferArena::Take(arena_, bytes);
}

size_t BufferPool::lent_bytes() const {
  absl::MutexLock lock(&arena_->mutex);
  return arena_->lent_bytes;
}

size_t BufferPool::idle_bytes() const {
  absl::MutexLock lock(&arena_->mutex);
  return arena_->idle_bytes;
}

}  // namespace tideway
