// ExposedTable: what has been exposed through one in-process transport, by key, and the copying of it.
//
// The copy is made while its owner may be writing. That is what OneSided promises: bytes can be torn in any way, and the reader
// must be able to tell. By the language's rules it would be a race, so the bytes are fetched by volatile loads, which the
// compiler can neither repeat nor merge into a call of memcpy, in a function that the thread sanitizer is told not to watch.
//
// Threads: any. A handle's end waits for a piece of a copy that runs, so that the owner may free the memory afterwards.

#ifndef TIDEWAY_TRANSPORTS_INPROC_EXPOSED_TABLE_H_
#define TIDEWAY_TRANSPORTS_INPROC_EXPOSED_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "tideway/one_sided.h"

namespace tideway::inproc {

class ExposedTable : public std::enable_shared_from_this<ExposedTable> {
 public:
  // The same memory gets the same handle as long as one lives.
  absl::StatusOr<std::shared_ptr<ExposedMemory>> Expose(absl::Span<const std::byte> memory);

  // Fills `local` from `offset` on. INVALID_ARGUMENT as with OneSided::Read.
  absl::Status Copy(absl::Span<const std::byte> descriptor, size_t offset,
                    absl::Span<std::byte> local);

 private:
  class Handle;
  using Place = std::pair<const std::byte*, size_t>;

  void Forget(uint64_t key, const Place& place);
  absl::StatusOr<const std::byte*> Find(uint64_t key, size_t bytes, size_t offset, size_t count)
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  uint64_t exposed_ ABSL_GUARDED_BY(mutex_) = 0;  // so far
  absl::flat_hash_map<uint64_t, Place> by_key_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Place, std::weak_ptr<Handle>> by_place_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway::inproc

#endif  // TIDEWAY_TRANSPORTS_INPROC_EXPOSED_TABLE_H_
