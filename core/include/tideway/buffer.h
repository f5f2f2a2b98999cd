// Buffer and BufferPool: the memory that messages are built in and land in.
//
// A Buffer is a movable handle to `size` bytes, aligned to 64, with `headroom` free bytes in front of them: the
// codec writes at data(), the frame header is then written into the headroom, and header and payload leave in
// one piece without a copy. Dropping the handle gives the memory back to its pool.
//
// BufferPool keeps what was given back for reuse, so that a steady flow of messages allocates nothing. It is
// bounded: Take answers RESOURCE_EXHAUSTED when more than `bytes_max` would be lent out at once.
//
// Threads: the pool is thread-safe; one Buffer is used by one thread at a time and may move between threads.
// Lifetime: a Buffer keeps what it needs of its pool alive, so it may outlive the BufferPool object.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_BUFFER_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_BUFFER_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace tideway {

inline constexpr size_t kBufferAlignment = 64;
inline constexpr size_t kBufferHeadroom = 256;

namespace internal {
struct BufferArena;
}

class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  // Null for a handle that holds nothing.
  std::byte* data() { return block_ == nullptr ? nullptr : block_ + kBufferHeadroom; }
  const std::byte* data() const { return block_ == nullptr ? nullptr : block_ + kBufferHeadroom; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  absl::Span<std::byte> span() { return {data(), size_}; }
  absl::Span<const std::byte> span() const { return {data(), size_}; }

  // The last `bytes` of the headroom, directly in front of data(). REQUIRES: bytes <= kBufferHeadroom, and a
  // block is held (also one of size 0).
  absl::Span<std::byte> headroom(size_t bytes) { return {data() - bytes, bytes}; }

  // Shrinks. REQUIRES: bytes <= size().
  void Truncate(size_t bytes);

 private:
  friend struct internal::BufferArena;

  std::byte* block_ = nullptr;
  size_t size_ = 0;
  size_t block_bytes_ = 0;
  std::shared_ptr<internal::BufferArena> arena_;
};

class BufferPool {
 public:
  // At most `bytes_max` lent out at once, at most `idle_bytes_max` kept for reuse.
  explicit BufferPool(size_t bytes_max, size_t idle_bytes_max = size_t{256} << 20);

  // A buffer of `bytes` with unspecified content.
  absl::StatusOr<Buffer> Take(size_t bytes);

  // Bytes lent out now (block sizes, with headroom and rounding).
  size_t lent_bytes() const;
  size_t idle_bytes() const;

 private:
  std::shared_ptr<internal::BufferArena> arena_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_BUFFER_H_
