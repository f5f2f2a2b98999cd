// Memory that another process of this host can map and read: SharedBlock is the owner's end, SharedMapping the reader's.
//
// A block is an anonymous file (memfd) that can't shrink, so that a reader never meets a hole. It begins with a page that has a random
// nonce; a descriptor has that too, so a reader who finds another file under the same number (processes and files come and go)
// notices. The reader opens the file through /proc, which the kernel allows to who may trace the owner: the same user, or root.
//
// Leave: the owner takes its values along to a new file, at the same address. Who has mapped the old one still reads what was there,
// which nobody changes any more.
//
// Threads: a block's methods are called by one thread at a time; mappings are immutable.

#ifndef TIDEWAY_CORE_RUNTIME_SHARED_BLOCK_H_
#define TIDEWAY_CORE_RUNTIME_SHARED_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace tideway {

// Where a block lies. Comes from a peer, so nothing in it is believed.
struct SharedDescriptor {
  uint32_t pid = 0;
  uint32_t file = 0;   // its number in that process
  uint64_t bytes = 0;  // without the first page
  uint64_t nonce = 0;
};

class SharedBlock {
 public:
  // `bytes` of zeros; `nonce` is random. RESOURCE_EXHAUSTED: there is no such memory; UNAVAILABLE: this system has no such files.
  static absl::StatusOr<std::shared_ptr<SharedBlock>> Create(size_t bytes, uint64_t nonce);
  ~SharedBlock();
  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;

  absl::Span<std::byte> span() const;
  // Another one after Leave.
  SharedDescriptor descriptor() const;

  // The block is alone with its values. RESOURCE_EXHAUSTED: there is no memory for a copy, and nothing has changed.
  absl::Status Leave(uint64_t nonce);

 private:
  SharedBlock() = default;

  int file_ = -1;
  std::byte* first_page_ = nullptr;
  size_t bytes_ = 0;
  uint64_t nonce_ = 0;
};

class SharedMapping {
 public:
  // INVALID_ARGUMENT: that is no block, or not that one; UNAVAILABLE: this process can't reach it. Reads no file that is no block.
  static absl::StatusOr<std::shared_ptr<const SharedMapping>> Open(
      const SharedDescriptor& descriptor);
  ~SharedMapping();
  SharedMapping(const SharedMapping&) = delete;
  SharedMapping& operator=(const SharedMapping&) = delete;

  absl::Span<const std::byte> span() const;

 private:
  SharedMapping() = default;

  const std::byte* first_page_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_SHARED_BLOCK_H_
