// The memory that clients read by themselves: what a fragment publishes is in the directory, what is held is never written to,
// and the area keeps to its bound.

#include "core/server/exposed_area.h"

#include <cstring>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "core/server/fragment.h"
#include "core/wire/frame.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/builtin_codecs.h"
#include "tideway/outer_optimizer.h"

namespace tideway {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

constexpr size_t kElements = 16;

Layout TwoFragments() {
  return *Layout::Create({{"w", {2 * int64_t{kElements}}}},
                         {.fragment_bytes_max = kElements * sizeof(float)});
}

std::shared_ptr<ExposedArea> Area() {
  auto area = ExposedArea::Create(TwoFragments(), 0, size_t{1} << 20);
  EXPECT_TRUE(area.ok()) << area.status();
  return *std::move(area);
}

// As a client sees it.
struct Reader {
  explicit Reader(std::shared_ptr<ExposedArea> a) : area(std::move(a)) {
    std::vector<size_t> elements(2, kElements);
    plan.emplace(elements);
  }

  wire::DirectoryEntry Entry(uint32_t fragment) const {
    auto entry = wire::ReadEntry(
        area->memory().subspan(wire::AreaPlan::entry_offset(fragment), wire::kDirectoryEntryBytes),
        fragment, kElements);
    EXPECT_TRUE(entry.ok()) << entry.status();
    return entry.ok() ? *entry : wire::DirectoryEntry();
  }

  // The values of what a pull would get, if their hash is right.
  std::optional<std::vector<float>> Pull(uint32_t fragment, uint64_t window) const {
    const wire::DirectoryEntry entry = Entry(fragment);
    const auto slot = wire::ChooseSlot(entry, window, 0);
    if (!slot.has_value()) return std::nullopt;
    const auto bytes =
        area->memory().subspan(plan->slot_offset(fragment, *slot), kElements * sizeof(float));
    if (wire::HashPayload(bytes) != entry.slots[*slot].hash) return std::nullopt;
    std::vector<float> values(kElements);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  std::shared_ptr<ExposedArea> area;
  std::optional<wire::AreaPlan> plan;
};

TEST(ExposedArea, BeginsWithWholeEntriesThatOfferNothing) {
  const Reader reader(Area());
  for (const uint32_t fragment : {0u, 1u}) {
    EXPECT_EQ(wire::ChooseSlot(reader.Entry(fragment), 0, 0), std::nullopt);
    EXPECT_EQ(wire::ChooseSlot(reader.Entry(fragment), 1, 0), std::nullopt);
  }
}

TEST(ExposedArea, KeepsToItsBoundAndSaysHowToRaiseIt) {
  const auto area = ExposedArea::Create(TwoFragments(), 0, 1000);
  EXPECT_TRUE(absl::IsResourceExhausted(area.status()));
  EXPECT_THAT(std::string(area.status().message()), HasSubstr("raise one_sided_bytes_max"));
}

TEST(ExposedArea, EverySlotCanBeHeldOnceAndIsFreeAgainWhenDropped) {
  auto area = Area();
  std::vector<std::unique_ptr<ExposedSlot>> held;
  std::vector<bool> seen(kExposedSlotsPerFragment);
  for (size_t i = 0; i < kExposedSlotsPerFragment; ++i) {
    held.push_back(area->TakeSlot(1, {}));
    ASSERT_NE(held.back(), nullptr);
    EXPECT_FALSE(seen[held.back()->number()]) << "slot " << held.back()->number() << " twice";
    seen[held.back()->number()] = true;
    EXPECT_EQ(held.back()->values().size(), kElements);
  }
  EXPECT_EQ(area->TakeSlot(1, {}), nullptr);
  EXPECT_NE(area->TakeSlot(0, {}), nullptr) << "another fragment has slots of its own";
  const uint32_t number = held[2]->number();
  held[2].reset();
  EXPECT_EQ(area->TakeSlot(1, {})->number(), number);
}

TEST(ExposedArea, TheSlotWithTheOldestContentIsTakenFirst) {
  auto area = Area();
  wire::DirectoryEntry entry;
  for (uint32_t slot = 0; slot < kExposedSlotsPerFragment; ++slot) {
    entry.slots[slot] = {.version = slot == 3 ? 1u : 10u + slot, .hash = 0, .whole = 1};
  }
  EXPECT_EQ(area->TakeSlot(0, entry)->number(), 3u);
  entry.slots[5].whole = 0;
  EXPECT_EQ(area->TakeSlot(0, entry)->number(), 5u) << "it holds nothing at all";
}

// A fragment whose every push moves all values by -1.
class ExposedFragment : public ::testing::Test {
 protected:
  ExposedFragment() {
    optimizer_ = *BuiltinOuterOptimizers().Create("sgd:lr=1");
    staleness_.emplace(*optim::StalenessPolicy::Create("accept"));
    codec_ = *BuiltinCodecs().Create("identity");
    const Layout layout = TwoFragments();
    Fragment::State state;
    state.theta.assign(kElements, 0.0f);
    state.optimizer = optimizer_->NewState(kElements);
    fragment.emplace(layout.fragments()[1], std::move(state), optimizer_.get(), &*staleness_);
  }

  void Push() {
    const std::vector<float> ones(kElements, 1.0f);
    auto pushed = fragment->Push(
        {.worker = 1,
         .incarnation = 1,
         .sequence = ++sequence_,
         .codec = codec_.get(),
         .payload = {reinterpret_cast<const std::byte*>(ones.data()), kElements * sizeof(float)}},
        pool_);
    ASSERT_TRUE(pushed.ok()) << pushed.status();
  }

  static std::vector<float> All(float value) { return std::vector<float>(kElements, value); }

  std::optional<Fragment> fragment;
  const Reader reader{Area()};

 private:
  std::unique_ptr<OuterOptimizer> optimizer_;
  std::optional<optim::StalenessPolicy> staleness_;
  std::unique_ptr<Codec> codec_;
  BufferPool pool_{size_t{1} << 20};
  uint64_t sequence_ = 0;
};

TEST_F(ExposedFragment, IsInTheDirectoryFromTheMomentThatItIsExposed) {
  Push();
  auto before = fragment->Publish(0);  // on the heap
  fragment->Expose(reader.area, 1);
  EXPECT_THAT(reader.Pull(1, 0), Optional(All(-1)));
  EXPECT_EQ(reader.Entry(1).version, 1u);
}

TEST_F(ExposedFragment, APushHidesTheNewestUntilItIsPublished) {
  fragment->Expose(reader.area, 1);
  Push();
  EXPECT_EQ(reader.Entry(1).version, 1u) << "known before the push is acknowledged";
  EXPECT_EQ(reader.Pull(1, 0), std::nullopt);
  fragment->Publish(0);
  EXPECT_THAT(reader.Pull(1, 0), Optional(All(-1)));
}

TEST_F(ExposedFragment, AWindowKeepsItsVersionAsLongAsTheServerRemembersIt) {
  fragment->Expose(reader.area, 1);
  for (uint64_t window = 1; window <= 20; ++window) {
    Push();
    fragment->Publish(window);
    Push();
    fragment->Publish(0);
    for (uint64_t old = 1; old <= window; ++old) {
      const auto pulled = reader.Pull(1, old);
      if (old + kPublishedWindowsKept <= window) {
        EXPECT_EQ(pulled, std::nullopt) << "window " << old << " of " << window;
      } else {
        EXPECT_THAT(pulled, Optional(All(1 - 2 * static_cast<float>(old)))) << "window " << old;
      }
    }
    EXPECT_THAT(reader.Pull(1, 0), Optional(All(-2 * static_cast<float>(window))));
  }
}

TEST_F(ExposedFragment, WhatIsBeingSentIsNeverWrittenToAndWhatFindsNoSlotGoesToTheHeap) {
  fragment->Expose(reader.area, 1);
  std::vector<std::shared_ptr<Published>> sending;
  for (size_t i = 0; i < 2 * kExposedSlotsPerFragment; ++i) {
    Push();
    sending.push_back(fragment->Publish(0));
  }
  size_t on_the_heap = 0;
  for (size_t i = 0; i < sending.size(); ++i) {
    EXPECT_EQ(sending[i]->values(), All(-1 - static_cast<float>(i)));
    on_the_heap += sending[i]->slot() == nullptr ? 1u : 0u;
  }
  EXPECT_GE(on_the_heap, kExposedSlotsPerFragment);
  EXPECT_EQ(reader.Pull(1, 0), std::nullopt) << "the newest one found no slot";
  sending.clear();
  Push();
  fragment->Publish(0);
  EXPECT_THAT(reader.Pull(1, 0), Optional(All(-1 - 2 * float{kExposedSlotsPerFragment})));
}

TEST_F(ExposedFragment, TheHashInTheDirectoryIsTheOneOfTheTwoSidedAnswer) {
  fragment->Expose(reader.area, 1);
  const auto codec = *BuiltinCodecs().Create("identity");
  const auto published = fragment->Publish(0);
  const auto encoded = published->Encode(*codec);
  ASSERT_TRUE(encoded.ok());
  EXPECT_EQ((*encoded)->hash, wire::HashPayload((*encoded)->bytes));
  EXPECT_EQ((*encoded)->hash, published->slot_hash());
}

}  // namespace
}  // namespace tideway
