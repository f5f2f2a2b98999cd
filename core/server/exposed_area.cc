#include "core/server/exposed_area.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/runtime/memory_block.h"

namespace tideway {
namespace {

// An adapter registers whole pages, so none is shared with anything else.
constexpr size_t kPageBytes = 4096;

wire::DirectoryEntry EmptyEntry(const FragmentSpec& spec) {
  wire::DirectoryEntry entry;
  entry.fragment = spec.id;
  entry.elements = static_cast<uint32_t>(spec.elements);
  return entry;
}

}  // namespace

// --- the area --------------------------------------------------------------------------------------

absl::StatusOr<std::shared_ptr<ExposedArea>> ExposedArea::Create(const Layout& layout,
                                                                 uint32_t server_index,
                                                                 size_t bytes_max) {
  std::vector<FragmentSpec> fragments;
  std::vector<size_t> elements;
  for (const uint32_t id : layout.fragments_of(server_index)) {
    fragments.push_back(layout.fragments()[id]);
    elements.push_back(fragments.back().elements);
  }
  wire::AreaPlan plan(elements);
  if (plan.bytes() == 0) return absl::ResourceExhaustedError("this server has no fragments");
  if (plan.bytes() > bytes_max) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "one-sided pulls need ", plan.bytes(),
        " bytes of memory here; raise one_sided_bytes_max from ", bytes_max, " to allow them"));
  }
  // Not filled: pages that no version is ever published to cost nothing before they are registered.
  const size_t whole_pages = (plan.bytes() + kPageBytes - 1) / kPageBytes * kPageBytes;
  std::byte* memory = AllocateBlock(whole_pages, kPageBytes);
  if (memory == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this host has no ", plan.bytes(),
                     " bytes of memory for one-sided pulls; add servers or memory"));
  }
  std::shared_ptr<ExposedArea> area(new ExposedArea(std::move(fragments), std::move(plan), memory));
  for (size_t index = 0; index < area->fragments_.size(); ++index) {
    area->WriteEntry(index, EmptyEntry(area->fragments_[index]));
  }
  return area;
}

ExposedArea::ExposedArea(std::vector<FragmentSpec> fragments, wire::AreaPlan plan,
                         std::byte* memory)
    : fragments_(std::move(fragments)),
      plan_(std::move(plan)),
      memory_(memory),
      held_(fragments_.size()) {}

void ExposedArea::Free::operator()(std::byte* memory) const { std::free(memory); }

std::unique_ptr<ExposedSlot> ExposedArea::TakeSlot(size_t index,
                                                   const wire::DirectoryEntry& entry) {
  const uint32_t held = held_[index].load(std::memory_order_acquire);
  const auto age = [&entry](uint32_t slot) {  // 0: holds nothing
    return entry.slots[slot].whole == 0 ? 0 : entry.slots[slot].version + 1;
  };
  uint32_t best = kExposedSlotsPerFragment;
  for (uint32_t slot = 0; slot < kExposedSlotsPerFragment; ++slot) {
    if ((held >> slot & 1) != 0) continue;
    if (best == kExposedSlotsPerFragment || age(slot) < age(best)) best = slot;
  }
  if (best == kExposedSlotsPerFragment) return nullptr;
  held_[index].fetch_or(1u << best, std::memory_order_acq_rel);
  return std::make_unique<ExposedSlot>(shared_from_this(), index, best);
}

void ExposedArea::WriteEntry(size_t index, const wire::DirectoryEntry& entry) {
  constexpr size_t kWords = wire::kDirectoryEntryBytes / sizeof(uint64_t);
  const wire::DirectoryEntry sealed = wire::Sealed(entry);
  uint64_t words[kWords];
  std::memcpy(words, &sealed, sizeof(sealed));
  auto* to = reinterpret_cast<uint64_t*>(memory_.get() + wire::AreaPlan::entry_offset(index));
  // Release: the values that the entry speaks of go out before it.
  for (size_t i = 0; i < kWords; ++i) {
    std::atomic_ref<uint64_t>(to[i]).store(words[i], std::memory_order_release);
  }
}

// --- slots -----------------------------------------------------------------------------------------

ExposedSlot::~ExposedSlot() {
  area_->held_[index_].fetch_and(~(1u << number_), std::memory_order_acq_rel);
}

absl::Span<float> ExposedSlot::values() const {
  std::byte* begin = area_->memory_.get() + area_->plan_.slot_offset(index_, number_);
  return {reinterpret_cast<float*>(begin), area_->fragments_[index_].elements};
}

// --- one fragment ----------------------------------------------------------------------------------

Exposure::Exposure(std::shared_ptr<ExposedArea> area, size_t index, uint64_t version)
    : area_(std::move(area)), index_(index), entry_(EmptyEntry(area_->fragment(index))) {
  SetVersion(version);
}

void Exposure::SetVersion(uint64_t version) {
  entry_.version = version;
  Write();
}

std::unique_ptr<ExposedSlot> Exposure::TakeSlot() {
  auto slot = area_->TakeSlot(index_, entry_);
  if (slot == nullptr) return nullptr;
  entry_.slots[slot->number()] = {};
  Write();
  // No value of the new version may be seen before the entry that says that there is none.
  std::atomic_thread_fence(std::memory_order_release);
  return slot;
}

void Exposure::Fill(uint32_t slot, uint64_t version, uint64_t hash) {
  entry_.slots[slot] = {.version = version, .hash = hash, .whole = 1};
  Write();
}

void Exposure::SetPins(const std::vector<wire::PinEntry>& pins) {
  std::fill(std::begin(entry_.pins), std::end(entry_.pins), wire::PinEntry());
  std::copy_n(pins.begin(), std::min(pins.size(), kPublishedWindowsKept), entry_.pins);
  Write();
}

}  // namespace tideway
