#include "transports/inproc/exposed_table.h"

#include <algorithm>
#include <cstring>

#include "absl/base/attributes.h"
#include "absl/strings/str_cat.h"
#include "tideway/limits.h"

namespace tideway::inproc {
namespace {

// How much is copied before a handle's end or another Expose gets its turn.
constexpr size_t kPieceBytes = size_t{256} << 10;

// A descriptor: the key and the size of the memory.
struct Descriptor {
  uint64_t key = 0;
  uint64_t bytes = 0;
};

// Keys that lie far apart, so that a damaged one is nobody else's.
uint64_t KeyOf(uint64_t number) {
  uint64_t z = number * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

absl::Status Damaged() {
  return absl::InvalidArgumentError(
      "the memory descriptor is damaged, or what it named is exposed no longer; ask its owner for "
      "a "
      "new one");
}

// See the header.
ABSL_ATTRIBUTE_NOINLINE ABSL_ATTRIBUTE_NO_SANITIZE_THREAD void CopyWhileItMayChange(
    const std::byte* from, std::byte* to, size_t bytes) {
  using Word = uint64_t __attribute__((may_alias));
  size_t i = 0;
  const size_t until_aligned =
      (sizeof(Word) - reinterpret_cast<uintptr_t>(from) % sizeof(Word)) % sizeof(Word);
  for (; i < std::min(bytes, until_aligned); ++i)
    to[i] = *static_cast<const volatile std::byte*>(from + i);
  for (; i + sizeof(Word) <= bytes; i += sizeof(Word)) {
    const uint64_t word = *reinterpret_cast<const volatile Word*>(from + i);
    std::memcpy(to + i, &word, sizeof(word));
  }
  for (; i < bytes; ++i) to[i] = *static_cast<const volatile std::byte*>(from + i);
}

}  // namespace

class ExposedTable::Handle final : public ExposedMemory {
 public:
  Handle(std::shared_ptr<ExposedTable> table, uint64_t key, Place place)
      : table_(std::move(table)), key_(key), place_(place) {
    const Descriptor content = {.key = key, .bytes = place.second};
    std::memcpy(descriptor_.data(), &content, sizeof(content));
  }
  ~Handle() override { table_->Forget(key_, place_); }

  absl::Span<const std::byte> descriptor() const override { return descriptor_; }

 private:
  const std::shared_ptr<ExposedTable> table_;
  const uint64_t key_;
  const Place place_;
  std::array<std::byte, sizeof(Descriptor)> descriptor_;
};

absl::StatusOr<std::shared_ptr<ExposedMemory>> ExposedTable::Expose(
    absl::Span<const std::byte> memory) {
  if (memory.empty())
    return absl::InvalidArgumentError("there is no memory to expose: it is empty");
  const Place place = {memory.data(), memory.size()};
  absl::MutexLock lock(&mutex_);
  std::weak_ptr<Handle>& known = by_place_[place];
  if (std::shared_ptr<Handle> handle = known.lock()) return handle;
  if (by_key_.size() >= kExposedMemoriesMax) {
    by_place_.erase(place);
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kExposedMemoriesMax,
                     " pieces of memory can't be exposed; drop some, or expose larger ones"));
  }
  const uint64_t key = KeyOf(++exposed_);
  by_key_.emplace(key, place);
  auto handle = std::make_shared<Handle>(shared_from_this(), key, place);
  known = handle;
  return handle;
}

void ExposedTable::Forget(uint64_t key, const Place& place) {
  absl::MutexLock lock(&mutex_);
  by_key_.erase(key);
  // It may have been exposed anew meanwhile.
  const auto found = by_place_.find(place);
  if (found != by_place_.end() && found->second.expired()) by_place_.erase(found);
}

absl::StatusOr<const std::byte*> ExposedTable::Find(uint64_t key, size_t bytes, size_t offset,
                                                    size_t count) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second.second != bytes) return Damaged();
  if (offset > bytes || count > bytes - offset) {
    return absl::InvalidArgumentError(absl::StrCat("a read of ", count, " bytes from ", offset,
                                                   " on goes beyond the memory, which has ", bytes,
                                                   " bytes"));
  }
  return found->second.first + offset;
}

absl::Status ExposedTable::Copy(absl::Span<const std::byte> descriptor, size_t offset,
                                absl::Span<std::byte> local) {
  Descriptor content;
  if (descriptor.size() != sizeof(content)) return Damaged();
  std::memcpy(&content, descriptor.data(), sizeof(content));
  do {
    absl::ReaderMutexLock lock(&mutex_);
    absl::StatusOr<const std::byte*> from = Find(content.key, content.bytes, offset, local.size());
    if (!from.ok()) return from.status();
    const size_t piece = std::min(local.size(), kPieceBytes);
    CopyWhileItMayChange(*from, local.data(), piece);
    offset += piece;
    local.remove_prefix(piece);
  } while (!local.empty());
  return absl::OkStatus();
}

}  // namespace tideway::inproc
