#include "core/optim/shard_sampler.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::optim {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pointwise;

struct Row {
  std::vector<uint64_t> sizes, learned;
  std::vector<double> probabilities;
};

TEST(ShardProbabilities, FollowTheTableMadeByHand) {
  const Row rows[] = {
      // nothing learned: by size
      {{1, 1, 1, 1}, {0, 0, 0, 0}, {0.25, 0.25, 0.25, 0.25}},
      {{1, 3}, {0, 0}, {0.25, 0.75}},
      // each exactly its share: by size
      {{1, 1, 1}, {7, 7, 7}, {1 / 3.0, 1 / 3.0, 1 / 3.0}},
      {{2, 6}, {5, 15}, {0.25, 0.75}},
      // missing .15, .05, 0, 0 of shares .25: three quarters and one quarter
      {{1, 1, 1, 1}, {10, 20, 30, 40}, {0.75, 0.25, 0, 0}},
      // shares .5 .3 .2, learned 0 .3 .7: only the first misses any
      {{5, 3, 2}, {0, 3, 7}, {1, 0, 0}},
      // shares .5 .3 .2, learned 0 .1 .9: missing .5 and .2
      {{5, 3, 2}, {0, 1, 9}, {5 / 7.0, 2 / 7.0, 0}},
      // an empty shard is never drawn
      {{4, 0, 4}, {1, 0, 0}, {0, 0, 1}},
      // no size known: every shard counts the same
      {{0, 0}, {0, 0}, {0.5, 0.5}},
      {{0, 0}, {3, 1}, {0, 1}},
      {{9}, {1000}, {1}},
  };
  for (const Row& row : rows) {
    EXPECT_THAT(ShardProbabilities(row.sizes, row.learned),
                Pointwise(DoubleNear(1e-12), row.probabilities));
  }
}

TEST(ShardProbabilities, KeepTheirMeaningForHugeCounts) {
  EXPECT_THAT(ShardProbabilities({UINT64_MAX, UINT64_MAX}, {UINT64_MAX, 0}), ElementsAre(0, 1));
}

TEST(DrawShard, CutsTheRandomNumberByTheProbabilities) {
  const std::vector<double> p = {0.25, 0, 0.5, 0.25};
  EXPECT_EQ(DrawShard(p, 0), 0u);
  EXPECT_EQ(DrawShard(p, (uint64_t{1} << 62) - 1), 0u);
  EXPECT_EQ(DrawShard(p, uint64_t{1} << 62), 2u);
  EXPECT_EQ(DrawShard(p, (uint64_t{3} << 62) - 1), 2u);
  EXPECT_EQ(DrawShard(p, uint64_t{3} << 62), 3u);
  EXPECT_EQ(DrawShard(p, UINT64_MAX), 3u);
  EXPECT_EQ(DrawShard({0, 1, 0}, UINT64_MAX), 1u);
}

TEST(DrawShard, BringsEveryShardToItsShare) {
  const uint64_t seed = 11;
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  const std::vector<uint64_t> sizes = {5, 3, 2};
  std::vector<uint64_t> learned(3, 0);
  for (int draw = 0; draw < 1000; ++draw) {
    // Assignments of unequal length, as those of fast and slow workers are.
    learned[DrawShard(ShardProbabilities(sizes, learned), random())] += 5 + random() % 50;
  }
  const double sum = static_cast<double>(learned[0] + learned[1] + learned[2]);
  EXPECT_NEAR(static_cast<double>(learned[0]) / sum, 0.5, 0.01);
  EXPECT_NEAR(static_cast<double>(learned[1]) / sum, 0.3, 0.01);
  EXPECT_NEAR(static_cast<double>(learned[2]) / sum, 0.2, 0.01);
}

}  // namespace
}  // namespace tideway::optim
