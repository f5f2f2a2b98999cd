// ExposedArea: the memory of a server that clients read without its CPU: the directory, and the slots that the published
// versions of its fragments lie in. core/wire/one_sided.h says what lies where.
//
// It is one allocation, made when the first client that can read it shakes hands. Every Published takes its memory from a free
// slot of its fragment, if there is one, and holds it as long as it lives: what is being sent or is pinned to a window stays as
// it is. A slot that has been given back keeps its bytes until it is taken again, which is good for whoever is reading it.
//
// Readers are not synchronised with anything. Those on other hosts tell torn bytes by their hashes; the order of the stores
// below only makes that rare for them. Those on this host, whose reads are copies that come one after the other, rely on that
// order: an entry that says the same of a slot before and after the slot was read says that nobody wrote to it in between.
//
// Threads: an ExposedSlot may be dropped on any thread. An Exposure belongs to its fragment, which guards it.

#ifndef TIDEWAY_CORE_SERVER_EXPOSED_AREA_H_
#define TIDEWAY_CORE_SERVER_EXPOSED_AREA_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/wire/one_sided.h"
#include "tideway/layout.h"

namespace tideway {

class ExposedArea;

// A slot that nobody else writes to.
class ExposedSlot {
 public:
  ExposedSlot(std::shared_ptr<ExposedArea> area, size_t index, uint32_t number)
      : area_(std::move(area)), index_(index), number_(number) {}
  ~ExposedSlot();
  ExposedSlot(const ExposedSlot&) = delete;
  ExposedSlot& operator=(const ExposedSlot&) = delete;

  uint32_t number() const { return number_; }
  // As many floats as the fragment has elements.
  absl::Span<float> values() const;

 private:
  const std::shared_ptr<ExposedArea> area_;
  const size_t index_;
  const uint32_t number_;
};

class ExposedArea : public std::enable_shared_from_this<ExposedArea> {
 public:
  // RESOURCE_EXHAUSTED: it would be larger than `bytes_max`, or the host has not so much memory.
  static absl::StatusOr<std::shared_ptr<ExposedArea>> Create(const Layout& layout,
                                                             uint32_t server_index,
                                                             size_t bytes_max);

  absl::Span<const std::byte> memory() const { return {memory_.get(), plan_.bytes()}; }
  const FragmentSpec& fragment(size_t index) const { return fragments_[index]; }

  // A free slot of the fragment at `index` in the directory, the one with the oldest content according to `entry`. Null: all
  // are held. One call at a time per fragment.
  std::unique_ptr<ExposedSlot> TakeSlot(size_t index, const wire::DirectoryEntry& entry);
  // Seals and stores the entry. One call at a time per fragment.
  void WriteEntry(size_t index, const wire::DirectoryEntry& entry);

 private:
  friend class ExposedSlot;
  struct Free {
    void operator()(std::byte* memory) const;
  };

  ExposedArea(std::vector<FragmentSpec> fragments, wire::AreaPlan plan, std::byte* memory);

  const std::vector<FragmentSpec> fragments_;
  const wire::AreaPlan plan_;
  const std::unique_ptr<std::byte, Free> memory_;
  std::vector<std::atomic<uint32_t>> held_;  // by fragment: a bit per slot
};

// One fragment's part of an area: its directory entry, as it was last written.
class Exposure {
 public:
  Exposure(std::shared_ptr<ExposedArea> area, size_t index, uint64_t version);

  // The master copy has moved on.
  void SetVersion(uint64_t version);
  // Null: all slots are held. Until Fill, the directory says that there is nothing in it.
  std::unique_ptr<ExposedSlot> TakeSlot();
  // The slot holds that version now.
  void Fill(uint32_t slot, uint64_t version, uint64_t hash);
  // Says which slots the windows are pinned to. The first kPublishedWindowsKept count.
  void SetPins(const std::vector<wire::PinEntry>& pins);

 private:
  void Write() { area_->WriteEntry(index_, entry_); }

  const std::shared_ptr<ExposedArea> area_;
  const size_t index_;
  wire::DirectoryEntry entry_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_EXPOSED_AREA_H_
