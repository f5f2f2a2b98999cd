// Edition: the encoded difference between a published version and the one before it. Made once, sent to every subscriber.
//
// Immutable. A page is held by who sends it, so that an edition may be dropped while some of its pages are still on their way.

#ifndef TIDEWAY_CORE_SYNC_EDITION_H_
#define TIDEWAY_CORE_SYNC_EDITION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"

namespace tideway::sync {

// The payload of one frame: records of the changed chunks of a run (core/wire/weight_frames.h).
struct Page {
  std::unique_ptr<std::byte[]> bytes;
  size_t size = 0;
  uint64_t hash = 0;

  absl::Span<const std::byte> span() const { return {bytes.get(), size}; }
};

// One checksum per tensor (TensorChecksums), shared by whoever announces the version.
using Checksums = std::shared_ptr<const std::vector<uint64_t>>;

struct Edition {
  uint64_t from = 0;  // 0: the first version, or one that no difference leads to
  uint64_t to = 0;
  std::vector<std::shared_ptr<const Page>> pages;  // none where nothing changed
  size_t bytes = 0;                                // of all pages
  Checksums checksums;                             // of `to`
};

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_EDITION_H_
