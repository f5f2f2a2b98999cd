// Published: one immutable version of a fragment's parameters, and its encodings.
//
// Made on the fragment's strand, then shared: pulls send straight from it, whatever the master copy does meanwhile. Each codec
// encodes it once, when it is first asked for. Its values lie in a slot of the server's exposed area, where there is one and
// it has room, and on the heap otherwise.
//
// Threads: thread-safe. Encode may take as long as encoding takes; Find never waits for it.

#ifndef TIDEWAY_CORE_SERVER_PUBLISHED_H_
#define TIDEWAY_CORE_SERVER_PUBLISHED_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "core/server/exposed_area.h"
#include "tideway/codec.h"

namespace tideway {

class Published {
 public:
  struct Encoded {
    absl::Span<const std::byte> bytes;
    uint64_t hash = 0;              // wire::HashPayload(bytes)
    std::vector<std::byte> memory;  // behind `bytes`, unless they are the values themselves
  };

  // Copies `values`, into `slot` unless that is null.
  Published(uint64_t version, absl::Span<const float> values,
            std::unique_ptr<ExposedSlot> slot = nullptr);

  uint64_t version() const { return version_; }
  absl::Span<const float> values() const { return values_; }
  // Where the values lie, or null: on the heap.
  const ExposedSlot* slot() const { return slot_.get(); }
  // wire::HashPayload of the values. REQUIRES: slot() is not null.
  uint64_t slot_hash() const { return slot_hash_; }

  // The encoding by `codec` if it is there already, else null. It lives as long as this Published.
  const Encoded* Find(const Codec& codec) const;
  absl::StatusOr<const Encoded*> Encode(const Codec& codec);

 private:
  const uint64_t version_;
  const std::unique_ptr<ExposedSlot> slot_;
  const std::vector<float> heap_;
  const absl::Span<const float> values_;
  const uint64_t slot_hash_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::unique_ptr<const Encoded>> encodings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_PUBLISHED_H_
