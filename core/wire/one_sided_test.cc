// The directory of the exposed area: what is torn is noticed, what is hostile is refused, and the slot that is chosen answers
// the pull.

#include "core/wire/one_sided.h"

#include <cstring>
#include <random>
#include <string>

#include "absl/strings/str_format.h"
#include "core/wire/frame.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::wire {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

// Fragment 3 with 4 elements, at version 42, published in slot 1; window 7 got version 41 in slot 0.
DirectoryEntry Example() {
  const float newest[] = {1.0f, -2.0f, 0.5f, 0.0f};
  const float older[] = {1.0f, 2.0f, 3.0f, 4.0f};
  const auto hash = [](const float(&values)[4]) {
    return HashPayload(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(values), 16));
  };
  DirectoryEntry entry;
  entry.fragment = 3;
  entry.elements = 4;
  entry.version = 42;
  entry.slots[0] = {.version = 41, .hash = hash(older), .whole = 1};
  entry.slots[1] = {.version = 42, .hash = hash(newest), .whole = 1};
  entry.pins[0] = {.window = 7, .slot = 0};
  return entry;
}

std::vector<std::byte> Bytes(const DirectoryEntry& entry) {
  const DirectoryEntry sealed = Sealed(entry);
  std::vector<std::byte> bytes(kDirectoryEntryBytes);
  std::memcpy(bytes.data(), &sealed, bytes.size());
  return bytes;
}

TEST(Directory, EntrySurvivesTheMemoryFieldByField) {
  const auto entry = ReadEntry(Bytes(Example()), 3, 4);
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(entry->version, 42u);
  EXPECT_EQ(entry->slots[0].version, 41u);
  EXPECT_EQ(entry->slots[1].hash, Example().slots[1].hash);
  EXPECT_EQ(entry->pins[0].window, 7u);
}

// docs/wire.md shows this entry.
TEST(Directory, TheExampleOfTheDocumentationIsWhatTheCodeWrites) {
  std::string hex;
  for (const std::byte b : Bytes(Example()))
    absl::StrAppendFormat(&hex, "%02x", static_cast<int>(b));
  EXPECT_EQ(hex.substr(0, 48),
            "5444574401000000"
            "0300000004000000"
            "2a00000000000000");
  EXPECT_EQ(hex.substr(48, 96),
            "2900000000000000"
            "b40d51c42e522fa8"
            "01000000"
            "00000000"
            "2a00000000000000"
            "643801d178da6797"
            "01000000"
            "00000000");
  EXPECT_EQ(hex.substr(2 * 168, 32), "07000000000000000000000000000000");
  EXPECT_EQ(hex.substr(2 * 248), "5474d1072b6ae436");
}

TEST(Directory, AnyFlippedBitIsNoticed) {
  const std::vector<std::byte> good = Bytes(Example());
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::vector<std::byte> bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_TRUE(absl::IsDataLoss(ReadEntry(bad, 3, 4).status())) << "bit " << bit;
  }
}

TEST(Directory, AMixtureOfTwoEntriesIsTorn) {
  DirectoryEntry next = Example();
  next.version = 43;
  next.slots[2] = {.version = 43, .hash = 99, .whole = 1};
  const std::vector<std::byte> before = Bytes(Example());
  const std::vector<std::byte> after = Bytes(next);
  for (size_t cut = 24; cut < kDirectoryEntryBytes; cut += 8) {
    std::vector<std::byte> mixed = before;
    std::copy(after.begin(), after.begin() + static_cast<ptrdiff_t>(cut), mixed.begin());
    EXPECT_TRUE(absl::IsDataLoss(ReadEntry(mixed, 3, 4).status())) << "cut " << cut;
  }
}

TEST(Directory, UntouchedMemoryIsNoEntry) {
  EXPECT_FALSE(ReadEntry(std::vector<std::byte>(kDirectoryEntryBytes), 3, 4).ok());
}

TEST(Directory, AWholeEntryOfAnotherFragmentOrWithABadIndexIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(ReadEntry(Bytes(Example()), 2, 4).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadEntry(Bytes(Example()), 3, 5).status()));
  DirectoryEntry entry = Example();
  entry.pins[0].slot = kExposedSlotsPerFragment;
  EXPECT_THAT(std::string(ReadEntry(Bytes(entry), 3, 4).status().message()),
              HasSubstr("pins slot 6"));
  entry = Example();
  entry.slots[5].whole = 2;
  EXPECT_TRUE(absl::IsInvalidArgument(ReadEntry(Bytes(entry), 3, 4).status()));
}

TEST(Directory, AHostileServersWholeEntryNeverLeadsBeyondTheSlots) {
  constexpr uint64_t kSeed = 5;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    DirectoryEntry entry = Example();
    std::vector<std::byte> raw = Bytes(entry);
    for (int flips = 0; flips < 3; ++flips) raw[random() % 248] ^= std::byte(1u << (random() % 8));
    std::memcpy(&entry, raw.data(), sizeof(entry));
    entry.entry_hash = 0;
    const auto read = ReadEntry(Bytes(entry), 3, 4);  // sealed again, as a hostile server would
    if (!read.ok()) continue;
    ++accepted;
    for (const uint64_t window : {uint64_t{0}, uint64_t{7}, random()}) {
      const auto slot = ChooseSlot(*read, window, random() % 50);
      if (slot.has_value()) {
        EXPECT_LT(*slot, kExposedSlotsPerFragment);
      }
    }
  }
  EXPECT_GT(accepted, 100);
}

TEST(ChooseSlot, TheNewestIsTheMasterCopysVersionOrNone) {
  DirectoryEntry entry = Example();
  EXPECT_THAT(ChooseSlot(entry, 0, 0), Optional(1u));
  EXPECT_THAT(ChooseSlot(entry, 0, 42), Optional(1u));
  EXPECT_EQ(ChooseSlot(entry, 0, 43), std::nullopt) << "the pull must contain version 43";
  entry.version = 43;
  EXPECT_EQ(ChooseSlot(entry, 0, 0), std::nullopt) << "version 43 is not published yet";
  entry = Example();
  entry.slots[1].whole = 0;
  EXPECT_EQ(ChooseSlot(entry, 0, 0), std::nullopt) << "it is being written";
}

TEST(ChooseSlot, AWindowIsServedFromItsPinOrNotAtAll) {
  DirectoryEntry entry = Example();
  EXPECT_THAT(ChooseSlot(entry, 7, 0), Optional(0u));
  EXPECT_EQ(ChooseSlot(entry, 8, 0), std::nullopt);
  entry.slots[0].whole = 0;
  EXPECT_EQ(ChooseSlot(entry, 7, 0), std::nullopt);
}

TEST(AreaPlan, NothingOverlapsAndSlotsAreAligned) {
  const std::vector<size_t> elements = {4, 1, 1000, 17};
  const AreaPlan plan(elements);
  size_t end = AreaPlan::entry_offset(elements.size());
  for (size_t index = 0; index < elements.size(); ++index) {
    for (size_t slot = 0; slot < kExposedSlotsPerFragment; ++slot) {
      const size_t offset = plan.slot_offset(index, slot);
      EXPECT_GE(offset, end);
      EXPECT_EQ(offset % 64, 0u);
      end = offset + elements[index] * sizeof(float);
    }
  }
  EXPECT_LE(end, plan.bytes());
  EXPECT_EQ(AreaPlan({}).bytes(), 0u);
}

}  // namespace
}  // namespace tideway::wire
