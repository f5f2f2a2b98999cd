// The exposed area: what a server lets its clients read without its CPU (tideway/one_sided.h). docs/wire.md has the byte
// grammar and a worked example.
//
// It is one piece of memory: a directory with one entry of 256 bytes per fragment of the server, in rising order of ids, and
// behind it the snapshot slots of every fragment. Where each lies follows from the layout, which both ends have, so nothing but
// the descriptor of the memory travels.
//
// Whoever reads may see any mixture of old and new bytes. An entry carries a hash over itself, and a hash of the values in each
// of its slots: what does not match was torn, and is read again. Nothing of an entry is believed before its hash fits.
//
// Pure functions on bytes: no threads, no ownership.

#ifndef TIDEWAY_CORE_WIRE_ONE_SIDED_H_
#define TIDEWAY_CORE_WIRE_ONE_SIDED_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tideway/limits.h"

namespace tideway::wire {

inline constexpr uint32_t kDirectoryMagic = 0x44574454;  // "TDWD"
inline constexpr uint32_t kDirectoryVersion = 1;

struct SlotEntry {
  uint64_t version = 0;  // of the fragment
  uint64_t hash = 0;     // HashPayload of the values
  uint32_t whole = 0;    // 1: the slot holds that version; 0: nothing, or it is being written
  uint32_t reserved = 0;
};

struct PinEntry {
  uint64_t window = 0;  // 0: no pin
  uint32_t slot = 0;
  uint32_t reserved = 0;
};

struct DirectoryEntry {
  uint32_t magic = kDirectoryMagic;
  uint32_t directory_version = kDirectoryVersion;
  uint32_t fragment = 0;
  uint32_t elements = 0;
  uint64_t version =
      0;  // of the master copy: newer than every slot if it has not been published yet
  SlotEntry slots[kExposedSlotsPerFragment];
  PinEntry pins[kPublishedWindowsKept];
  uint64_t reserved[2] = {0, 0};
  uint64_t entry_hash = 0;  // XXH3-64 of the bytes before it
};

inline constexpr size_t kDirectoryEntryBytes = 256;
static_assert(sizeof(SlotEntry) == 24 && sizeof(PinEntry) == 16, "no padding");
static_assert(sizeof(DirectoryEntry) == kDirectoryEntryBytes, "no padding");
static_assert(std::is_trivially_copyable_v<DirectoryEntry>);
static_assert(offsetof(DirectoryEntry, version) == 16);
static_assert(offsetof(DirectoryEntry, slots) == 24);
static_assert(offsetof(DirectoryEntry, pins) == 168);
static_assert(offsetof(DirectoryEntry, entry_hash) == 248);
static_assert(kExposedSlotsPerFragment == 6 && kPublishedWindowsKept == 4,
              "another number is another kDirectoryVersion");

// `entry` with its magic, version and hash set.
DirectoryEntry Sealed(DirectoryEntry entry);

// The entry in `bytes`. DATA_LOSS: torn, another read may be better. INVALID_ARGUMENT: whole, but not the entry of this
// fragment, or with an index beyond its array: no read will be better. REQUIRES: bytes.size() == kDirectoryEntryBytes.
absl::StatusOr<DirectoryEntry> ReadEntry(absl::Span<const std::byte> bytes, uint32_t fragment,
                                         size_t elements);

// The slot that answers a pull for `window` (0: the newest) that must be of `version_min` at least, or none: then the server
// has to be asked. REQUIRES: an entry from ReadEntry.
std::optional<uint32_t> ChooseSlot(const DirectoryEntry& entry, uint64_t window,
                                   uint64_t version_min);

// Where things lie in an area.
class AreaPlan {
 public:
  // `elements` by fragment, of the fragments of one server in rising order of ids; each at most kFragmentBytesMax, and at most
  // kFragmentsMax of them.
  explicit AreaPlan(absl::Span<const size_t> elements);

  size_t fragments() const { return slots_begin_.size(); }
  size_t bytes() const { return bytes_; }
  static size_t entry_offset(size_t index) { return index * kDirectoryEntryBytes; }
  // REQUIRES: index < fragments(), slot < kExposedSlotsPerFragment.
  size_t slot_offset(size_t index, size_t slot) const;

 private:
  struct Place {
    size_t begin;
    size_t stride;
  };
  std::vector<Place> slots_begin_;
  size_t bytes_ = 0;
};

}  // namespace tideway::wire

#endif  // TIDEWAY_CORE_WIRE_ONE_SIDED_H_
