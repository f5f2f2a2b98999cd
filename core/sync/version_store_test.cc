// What a publisher keeps and how it decides: a chain of differences or the whole, and what bounds both.

#include "core/sync/version_store.h"

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "core/runtime/fork_testing.h"
#include "core/sync/copy_pool.h"
#include "core/sync/installed_weights.h"
#include "core/sync/weights_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/builtin_codecs.h"

namespace tideway::sync {
namespace {

using Kind = VersionStore::Plan::Kind;

class Store : public ::testing::Test {
 protected:
  Store()
      : table_(std::make_shared<const ChunkTable>(*ChunkTable::Create(SmallWeights(), 64, 256))),
        model_(table_->layout()) {
    model_.Fill(random_);
    Limit({.links_max = 8, .history_bytes_max = table_->layout().bytes(), .anchors_max = 2});
  }

  void Limit(const VersionStore::Limits& limits) {
    auto codec = BuiltinCodecs().Create("sparse_lossless");
    store_ =
        std::make_unique<VersionStore>(*Master::Create(table_, *std::move(codec)), table_, limits);
  }

  size_t Publish(double share = 0.01) {
    model_.Change(share, random_);
    const auto bytes = store_->Publish(++version_, model_.pointers(), nullptr, 0);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return *bytes;
  }

  std::mt19937_64 random_{6};
  std::shared_ptr<const ChunkTable> table_;
  TestModel model_;
  std::unique_ptr<VersionStore> store_;
  uint64_t version_ = 0;
};

TEST_F(Store, NothingIsPlannedBeforeTheFirstVersionNorForWhoHasTheNewest) {
  EXPECT_EQ(store_->PlanFrom(0).kind, Kind::kNone);
  Publish();
  EXPECT_EQ(store_->PlanFrom(1).kind, Kind::kNone);
  EXPECT_EQ(store_->PlanFrom(0).kind, Kind::kWhole);
}

TEST_F(Store, ALaggardIsSentTheChainWhileThatIsShorterThanTheWhole) {
  for (int i = 0; i < 4; ++i) Publish(0.01);
  const auto plan = store_->PlanFrom(1);
  EXPECT_EQ(plan.kind, Kind::kChain);
  EXPECT_EQ(plan.from, 1u);
  EXPECT_EQ(plan.to, 4u);
  VersionStore::Cursor cursor{.from = 1};
  size_t bytes = 0;
  uint64_t last = 0;
  for (uint64_t i = 0; i < plan.frames; ++i) {
    const auto next = store_->NextPage(cursor);
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_GE(next->to, last);
    last = next->to;
    bytes += next->page->size;
  }
  EXPECT_EQ(last, 4u);
  EXPECT_EQ(bytes, store_->totals().bytes_links);
}

TEST_F(Store, ALaggardIsSentTheWholeWhereTheChainIsNotShorter) {
  Limit({.links_max = 8, .history_bytes_max = SIZE_MAX, .anchors_max = 2});
  Publish();
  Publish(0.01);
  EXPECT_EQ(store_->PlanFrom(1).kind, Kind::kChain);
  Publish(1.0);
  EXPECT_GE(store_->totals().bytes_links, table_->layout().bytes());
  EXPECT_EQ(store_->PlanFrom(1).kind, Kind::kWhole);
}

TEST_F(Store, AVersionThatIsUnknownHereIsAnsweredWithTheWhole) {
  for (int i = 0; i < 3; ++i) Publish();
  EXPECT_EQ(store_->PlanFrom(77).kind, Kind::kWhole);
}

TEST_F(Store, DifferencesAreDroppedByNumberAndByBytesButNeverTheNewest) {
  Limit({.links_max = 3, .history_bytes_max = SIZE_MAX, .anchors_max = 1});
  for (int i = 0; i < 9; ++i) Publish();
  EXPECT_EQ(store_->totals().links, 3u);
  EXPECT_EQ(store_->PlanFrom(6).kind, Kind::kChain);
  EXPECT_EQ(store_->PlanFrom(5).kind, Kind::kWhole);
  version_ = 0;
  Limit({.links_max = 100, .history_bytes_max = 1, .anchors_max = 1});
  for (int i = 0; i < 4; ++i) Publish();
  EXPECT_EQ(store_->totals().links, 1u);
}

TEST_F(Store, WhoIsInTheMiddleOfADroppedDifferenceIsTold) {
  Limit({.links_max = 1, .history_bytes_max = SIZE_MAX, .anchors_max = 1});
  Publish();
  Publish(0.5);
  VersionStore::Cursor cursor{.from = 1};
  ASSERT_TRUE(store_->NextPage(cursor).ok());
  Publish();
  EXPECT_TRUE(absl::IsOutOfRange(store_->NextPage(cursor).status()));
}

TEST_F(Store, AnAnchorIsSharedWhileTheNewestVersionCanBeReachedFromIt) {
  Publish();
  const auto first = store_->PlanFrom(0);
  Publish(0.01);
  const auto second = store_->PlanFrom(0);
  EXPECT_EQ(first.anchor, second.anchor);
  EXPECT_EQ(store_->totals().anchors, 1u);
  Publish(1.0);
  const auto third = store_->PlanFrom(0);
  EXPECT_EQ(third.to, 3u);
  EXPECT_EQ(store_->totals().anchors, 2u);
  store_->DropAnchor(first.anchor);
  EXPECT_EQ(store_->totals().anchors, 2u) << "the second one reads it still";
  store_->DropAnchor(second.anchor);
  EXPECT_EQ(store_->totals().anchors, 1u);
}

TEST_F(Store, OneAnchorTooManyHasToWait) {
  Limit({.links_max = 1, .history_bytes_max = SIZE_MAX, .anchors_max = 1});
  Publish();
  const auto plan = store_->PlanFrom(0);
  Publish();
  Publish();
  EXPECT_EQ(store_->PlanFrom(0).kind, Kind::kLater);
  store_->DropAnchor(plan.anchor);
  EXPECT_EQ(store_->PlanFrom(0).kind, Kind::kWhole);
}

TEST_F(Store, AnAnchorIsNeverOlderThanWhatTheSubscriberHas) {
  Publish();
  const auto plan = store_->PlanFrom(0);
  Publish(0.01);
  Publish(1.0);
  EXPECT_EQ(plan.to, 1u);
  EXPECT_EQ(store_->PlanFrom(2).to, 3u);
}

TEST_F(Store, VersionsMustGoUp) {
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Publish(0, model_.pointers(), nullptr, 0).status()));
  EXPECT_TRUE(store_->Publish(5, model_.pointers(), nullptr, 0).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Publish(5, model_.pointers(), nullptr, 0).status()));
  EXPECT_TRUE(store_->Publish(9, model_.pointers(), nullptr, 0).ok());
}

TEST(CopyPool, LendsAtMostSoManyAndTellsWhenOneComesBack) {
  const auto table = std::make_shared<const ChunkTable>(*ChunkTable::Create(SmallWeights(), 64));
  int freed = 0;
  CopyPool pool(2, [&freed] { ++freed; });
  auto first = *pool.Take(table);
  auto second = *pool.Take(table);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*pool.Take(table), nullptr);
  const WeightCopy* const address = first.get();
  pool.Give(std::move(first));
  EXPECT_EQ(freed, 1);
  EXPECT_EQ((*pool.Take(table)).get(), address);
}

// What is told there takes locks that may be held for ever.
TEST(CopyPool, NothingIsToldInAForkedChildThatDropsAVersion) {
  const auto table = std::make_shared<const ChunkTable>(*ChunkTable::Create(SmallWeights(), 64));
  int freed = 0;
  auto pool = std::make_shared<CopyPool>(1, [&freed] { ++freed; });
  auto weights =
      std::make_shared<const InstalledWeights>(WeightVersionId{1, 1}, *pool->Take(table), pool);
  EXPECT_TRUE(tideway::testing::PassesInChild([&] {
    weights.reset();
    EXPECT_EQ(freed, 0);
  }));
  weights.reset();
  EXPECT_EQ(freed, 1);
}

TEST(CopyPool, CopiesOfAFormerCutMakeRoom) {
  const auto table = std::make_shared<const ChunkTable>(*ChunkTable::Create(SmallWeights(), 64));
  const auto another = std::make_shared<const ChunkTable>(*ChunkTable::Create(SmallWeights(), 128));
  CopyPool pool(1, [] {});
  pool.Give(*pool.Take(table));
  const auto copy = pool.Take(another);
  ASSERT_NE(*copy, nullptr);
  EXPECT_EQ((*copy)->table(), another);
}

}  // namespace
}  // namespace tideway::sync
