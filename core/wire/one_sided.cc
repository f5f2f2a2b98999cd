#include "core/wire/one_sided.h"

#include <bit>
#include <cassert>
#include <cstring>

#include "absl/strings/str_cat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tideway::wire {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the wire is little-endian and entries are copied as they are in memory");

// Slots begin where a cache line and a vector register like it.
constexpr size_t kAlignment = 64;

size_t AlignUp(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t HashEntry(const DirectoryEntry& entry) {
  return XXH3_64bits(&entry, offsetof(DirectoryEntry, entry_hash));
}

absl::Status CheckArrays(const DirectoryEntry& entry) {
  for (const SlotEntry& slot : entry.slots) {
    if (slot.whole > 1 || slot.reserved != 0) {
      return absl::InvalidArgumentError("a directory entry has a slot in an unknown state");
    }
  }
  for (const PinEntry& pin : entry.pins) {
    if (pin.slot >= kExposedSlotsPerFragment || pin.reserved != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a directory entry pins slot ", pin.slot, "; there are only ", kExposedSlotsPerFragment));
    }
  }
  return absl::OkStatus();
}

}  // namespace

DirectoryEntry Sealed(DirectoryEntry entry) {
  entry.magic = kDirectoryMagic;
  entry.directory_version = kDirectoryVersion;
  entry.entry_hash = HashEntry(entry);
  return entry;
}

absl::StatusOr<DirectoryEntry> ReadEntry(absl::Span<const std::byte> bytes, uint32_t fragment,
                                         size_t elements) {
  assert(bytes.size() == kDirectoryEntryBytes);
  DirectoryEntry entry;
  std::memcpy(&entry, bytes.data(), sizeof(entry));
  if (entry.entry_hash != HashEntry(entry)) {
    return absl::DataLossError("a directory entry was torn: hash mismatch");
  }
  if (entry.magic != kDirectoryMagic || entry.directory_version != kDirectoryVersion) {
    return absl::InvalidArgumentError("that is no directory entry of this version");
  }
  if (entry.fragment != fragment || entry.elements != elements) {
    return absl::InvalidArgumentError(
        absl::StrCat("the directory has fragment ", entry.fragment, " of ", entry.elements,
                     " elements where fragment ", fragment, " of ", elements, " belongs"));
  }
  if (absl::Status status = CheckArrays(entry); !status.ok()) return status;
  return entry;
}

std::optional<uint32_t> ChooseSlot(const DirectoryEntry& entry, uint64_t window,
                                   uint64_t version_min) {
  if (window != 0) {
    for (const PinEntry& pin : entry.pins) {
      if (pin.window != window) continue;
      if (entry.slots[pin.slot].whole == 0) return std::nullopt;
      return pin.slot;
    }
    return std::nullopt;
  }
  if (entry.version < version_min) return std::nullopt;
  for (uint32_t slot = 0; slot < kExposedSlotsPerFragment; ++slot) {
    if (entry.slots[slot].whole == 1 && entry.slots[slot].version == entry.version) return slot;
  }
  return std::nullopt;
}

AreaPlan::AreaPlan(absl::Span<const size_t> elements) {
  assert(elements.size() <= kFragmentsMax);
  bytes_ = elements.size() * kDirectoryEntryBytes;
  slots_begin_.reserve(elements.size());
  for (const size_t count : elements) {
    assert(count <= kFragmentBytesMax / sizeof(float));
    const size_t stride = AlignUp(count * sizeof(float));
    slots_begin_.push_back({.begin = bytes_, .stride = stride});
    bytes_ += stride * kExposedSlotsPerFragment;
  }
}

size_t AreaPlan::slot_offset(size_t index, size_t slot) const {
  assert(index < slots_begin_.size() && slot < kExposedSlotsPerFragment);
  return slots_begin_[index].begin + slot * slots_begin_[index].stride;
}

}  // namespace tideway::wire
