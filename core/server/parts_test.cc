// The parts of the server that stand alone: dedup windows, the worker table, fragments.

#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include "core/server/dedup_window.h"
#include "core/server/fragment.h"
#include "core/server/worker_table.h"
#include "gtest/gtest.h"
#include "tideway/builtin_codecs.h"
#include "tideway/limits.h"

namespace tideway {
namespace {

using wire::Verdict;

TEST(DedupWindow, RemembersEachSequenceWithItsVerdict) {
  DedupWindow window(1);
  window.Insert({3, 10, Verdict::kApplied});
  window.Insert({1, 11, Verdict::kRejected});
  EXPECT_EQ(window.Find(1)->verdict, Verdict::kRejected);
  EXPECT_EQ(window.Find(3)->version, 10u);
  EXPECT_FALSE(window.Find(2).has_value());
}

TEST(DedupWindow, ForgetsBelowTheFloorAndSaysSo) {
  DedupWindow window(1);
  for (uint64_t s = 1; s <= 10; ++s) window.Insert({s, s, Verdict::kApplied});
  window.RaiseFloor(8);
  EXPECT_EQ(window.entries().size(), 3u);
  EXPECT_TRUE(window.BelowFloor(7));
  EXPECT_FALSE(window.BelowFloor(8));
  window.RaiseFloor(2);
  EXPECT_EQ(window.floor(), 8u) << "a floor never falls";
}

TEST(DedupWindow, StaysBoundedWithoutAFloor) {
  DedupWindow window(1);
  for (uint64_t s = 1; s <= 3 * kDedupWindow; ++s) window.Insert({s, s, Verdict::kApplied});
  EXPECT_EQ(window.entries().size(), kDedupWindow);
  EXPECT_TRUE(window.Find(3 * kDedupWindow).has_value());
}

TEST(DedupWindow, AgreesWithASetUnderRandomOrder) {
  std::mt19937_64 random(7);
  DedupWindow window(1);
  std::set<uint64_t> seen;
  uint64_t floor = 0;
  for (int i = 0; i < 5000; ++i) {
    const uint64_t sequence = floor + random() % 64;
    EXPECT_EQ(window.Find(sequence).has_value(), seen.contains(sequence)) << "step " << i;
    if (seen.insert(sequence).second) window.Insert({sequence, 0, Verdict::kApplied});
    if (random() % 8 == 0) {
      floor += random() % 8;
      window.RaiseFloor(floor);
      seen.erase(seen.begin(), seen.lower_bound(floor));
    }
  }
}

TEST(WorkerTable, ANewIncarnationFencesTheOldOneForGood) {
  WorkerTable table;
  uint64_t forgotten = 0;
  auto first = table.Admit("w", 1, absl::UnixEpoch(), &forgotten);
  ASSERT_TRUE(first.ok());
  auto second = table.Admit("w", 2, absl::UnixEpoch(), &forgotten);
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(second->replaced);
  EXPECT_EQ(second->worker->id(), first->worker->id());
  EXPECT_EQ(table.Admit("w", 1, absl::UnixEpoch(), &forgotten).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(table.active_count(), 1u);
}

TEST(WorkerTable, TheSameIncarnationResumes) {
  WorkerTable table;
  uint64_t forgotten = 0;
  table.Admit("w", 1, absl::UnixEpoch(), &forgotten).status().IgnoreError();
  auto again = table.Admit("w", 1, absl::UnixEpoch(), &forgotten);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->resumed);
  EXPECT_FALSE(again->replaced);
  EXPECT_EQ(table.active_count(), 1u);
}

TEST(WorkerTable, ALostLeaseEndsTheIncarnation) {
  WorkerTable table;
  uint64_t forgotten = 0;
  auto admitted = table.Admit("w", 1, absl::UnixEpoch(), &forgotten);
  auto silent = table.SilentSince(absl::UnixEpoch() + absl::Seconds(1));
  ASSERT_EQ(silent.size(), 1u);
  EXPECT_TRUE(table.Retire(*silent[0], 1));
  EXPECT_FALSE(table.Retire(*silent[0], 1)) << "once only";
  EXPECT_EQ(table.active_count(), 0u);
  EXPECT_FALSE(table.Admit("w", 1, absl::UnixEpoch(), &forgotten).ok());
  EXPECT_TRUE(table.Admit("w", 2, absl::UnixEpoch(), &forgotten).ok());
}

TEST(WorkerTable, MakesRoomByForgettingTheOldestInactiveName) {
  WorkerTable table;
  uint64_t forgotten = 0;
  for (size_t i = 0; i < kWorkersMax; ++i) {
    ASSERT_TRUE(
        table.Admit(std::to_string(i), 1, absl::UnixEpoch() + absl::Seconds(i), &forgotten).ok());
  }
  EXPECT_EQ(table.Admit("late", 1, absl::UnixEpoch(), &forgotten).status().code(),
            absl::StatusCode::kResourceExhausted);
  auto silent = table.SilentSince(absl::UnixEpoch() + absl::Seconds(2));
  for (const auto& worker : silent) table.Retire(*worker, 1);
  ASSERT_TRUE(table.Admit("late", 1, absl::UnixEpoch(), &forgotten).ok());
  EXPECT_EQ(forgotten, 1u) << "the first that was admitted";
}

TEST(WorkerTable, RestoredWorkersMayResume) {
  WorkerTable table;
  table.Restore({{.id = 5, .name = "w", .incarnation = 9, .retired = {8}}});
  uint64_t forgotten = 0;
  EXPECT_FALSE(table.Admit("w", 8, absl::UnixEpoch(), &forgotten).ok());
  auto again = table.Admit("w", 9, absl::UnixEpoch(), &forgotten);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->resumed);
  EXPECT_EQ(again->worker->id(), 5u);
}

class FragmentTest : public ::testing::Test {
 protected:
  static constexpr size_t kElements = 8;

  void Make(const std::string& optimizer, const std::string& staleness) {
    optimizer_ = *BuiltinOuterOptimizers().Create(optimizer);
    staleness_ =
        std::make_unique<optim::StalenessPolicy>(*optim::StalenessPolicy::Create(staleness));
    Fragment::State state;
    state.theta.assign(kElements, 0.0f);
    state.optimizer = optimizer_->NewState(kElements);
    fragment_ = std::make_unique<Fragment>(FragmentSpec{.id = 0, .elements = kElements},
                                           std::move(state), optimizer_.get(), staleness_.get());
  }

  absl::StatusOr<Fragment::PushOutput> Push(uint64_t sequence, float value, uint64_t base = 0) {
    const std::vector<float> delta(kElements, value);
    return PushPayload(
        sequence, {reinterpret_cast<const std::byte*>(delta.data()), delta.size() * sizeof(float)},
        base);
  }

  absl::StatusOr<Fragment::PushOutput> PushPayload(uint64_t sequence,
                                                   absl::Span<const std::byte> payload,
                                                   uint64_t base = 0) {
    return fragment_->Push({.worker = 1,
                            .incarnation = 1,
                            .sequence = sequence,
                            .base_version = base,
                            .codec = codec_.get(),
                            .payload = payload},
                           pool_);
  }

  // By the codec of this name, which is then the one of the pushes.
  std::vector<std::byte> EncodedBy(const std::string& spec, const std::vector<float>& delta) {
    codec_ = *BuiltinCodecs().Create(spec);
    std::vector<std::byte> payload(codec_->Bound(delta.size()));
    payload.resize(*codec_->Encode(delta, {}, {}, absl::MakeSpan(payload)));
    return payload;
  }

  BufferPool pool_{1 << 20};
  std::unique_ptr<Codec> codec_ = *BuiltinCodecs().Create("identity");
  std::unique_ptr<OuterOptimizer> optimizer_;
  std::unique_ptr<optim::StalenessPolicy> staleness_;
  std::unique_ptr<Fragment> fragment_;
};

TEST_F(FragmentTest, AppliesAPushOnceHoweverOftenItComes) {
  Make("sgd:lr=1", "accept");
  for (int i = 0; i < 3; ++i) {
    auto output = Push(1, 2.0f);
    ASSERT_TRUE(output.ok());
    EXPECT_EQ(output->duplicate, i > 0);
    EXPECT_EQ(output->verdict, Verdict::kApplied);
    EXPECT_EQ(output->version, 1u);
  }
  EXPECT_EQ(fragment_->Export().theta[0], -2.0f);
}

TEST_F(FragmentTest, ADuplicateOfARejectedPushIsAnsweredAsRejected) {
  Make("sgd:lr=1", "bound:max=0");
  ASSERT_TRUE(Push(1, 1.0f).ok());
  EXPECT_EQ(Push(2, 1.0f, 0)->verdict, Verdict::kRejected);
  auto again = Push(2, 1.0f, 0);
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->verdict, Verdict::kRejected);
  EXPECT_EQ(fragment_->version(), 1u);
}

// All clients of a codec may be cut off for a moment while those of another one come.
TEST_F(FragmentTest, AWindowsCopyOutlivesItsClientsUntilItsPlaceIsNeeded) {
  Make("sgd:lr=1", "accept");
  const auto answer = [this](const std::string& spec, uint64_t window, uint64_t id, size_t max) {
    const std::shared_ptr<const Codec> codec = *BuiltinCodecs().Create(spec);
    return fragment_->AnswerByDifferences(window, codec, {}, id, max);
  };
  answer("topk:density=0.2", 0, 5, 2);
  ASSERT_TRUE(Push(1, 1.0f).ok());
  const auto pinned = answer("topk:density=0.2", 7, 6, 2);
  EXPECT_EQ(pinned.reached, (wire::ChainPosition{5, 1}));
  EXPECT_EQ(answer("int8", 0, 8, 2).reached.chain, 8u);
  const auto again = answer("topk:density=0.2", 7, 9, 2);
  EXPECT_EQ(again.reached, pinned.reached);
  EXPECT_EQ(again.hash, pinned.hash) << "and not the master copy of that version";
  EXPECT_EQ(answer("bf16", 0, 10, 1).reached.chain, 10u) << "which takes all places";
  EXPECT_EQ(answer("topk:density=0.2", 7, 11, 1).reached, (wire::ChainPosition{11, 1}));
}

TEST_F(FragmentTest, ABufferedPushLeavesTheVersion) {
  Make("nesterov:lr=1,momentum=0,buffer=2", "accept");
  EXPECT_EQ(Push(1, 1.0f)->verdict, Verdict::kBuffered);
  EXPECT_EQ(fragment_->version(), 0u);
  EXPECT_EQ(Push(2, 3.0f)->verdict, Verdict::kApplied);
  EXPECT_EQ(fragment_->version(), 1u);
  EXPECT_EQ(fragment_->Export().theta[0], -2.0f) << "the mean of both";
}

TEST_F(FragmentTest, ANanChangesNothing) {
  Make("sgd:lr=1", "accept");
  EXPECT_EQ(Push(1, std::numeric_limits<float>::quiet_NaN()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Push(1, std::numeric_limits<float>::infinity()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(fragment_->version(), 0u);
  EXPECT_FALSE(Push(1, 1.0f)->duplicate) << "the sequence is still free";
}

TEST_F(FragmentTest, ASparsePushThatIsAddedInPlaceGivesWhatADenseStepGives) {
  Make("sgd:lr=0.3", "weight:power=0.5");
  const std::vector<float> delta = {0.1f, -4, 0, 2, 0, 0, 127, -1};
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    const Fragment::State before = fragment_->Export();
    std::vector<float> decoded(kElements, 0.0f);
    const std::vector<std::byte> payload = EncodedBy("topk:density=0.4,values=int8", delta);
    ASSERT_TRUE(codec_->DecodeAdd(payload, 1.0f, absl::MakeSpan(decoded)).ok());
    ASSERT_EQ(PushPayload(sequence, payload)->verdict, Verdict::kApplied);
    std::vector<float> expected = before.theta;
    OuterState none;
    ASSERT_TRUE(optimizer_
                    ->Apply(absl::MakeSpan(expected), decoded,
                            {.weight = staleness_->Judge(sequence - 1).weight}, none)
                    .ok());
    EXPECT_EQ(fragment_->Export().theta, expected) << "push " << sequence;
    EXPECT_EQ(fragment_->version(), sequence);
  }
}

TEST_F(FragmentTest, ASparsePushThatTurnsOutMalformedAtItsEndChangesNothing) {
  Make("sgd:lr=1", "accept");
  std::vector<std::byte> payload =
      EncodedBy("topk:density=0.5,values=fp32", {1, 2, 3, 4, 5, 6, 7, 8});
  const float infinity = std::numeric_limits<float>::infinity();
  std::memcpy(payload.data() + payload.size() - sizeof(infinity), &infinity, sizeof(infinity));
  EXPECT_EQ(PushPayload(1, payload).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(fragment_->Export().theta, std::vector<float>(kElements, 0.0f));
  EXPECT_EQ(fragment_->version(), 0u);
}

TEST_F(FragmentTest, APublishedVersionNeverChanges) {
  Make("sgd:lr=1", "accept");
  auto before = fragment_->Publish(0);
  ASSERT_TRUE(Push(1, 1.0f).ok());
  EXPECT_EQ(before->values()[0], 0.0f);
  EXPECT_EQ(fragment_->TryPublished(0), nullptr) << "stale";
  EXPECT_EQ(fragment_->Publish(0)->values()[0], -1.0f);
}

TEST_F(FragmentTest, EverybodyOfOneWindowGetsTheSameVersion) {
  Make("sgd:lr=1", "accept");
  auto first = fragment_->Publish(7);
  ASSERT_TRUE(Push(1, 1.0f).ok());
  EXPECT_EQ(fragment_->TryPublished(7), first);
  EXPECT_EQ(fragment_->Publish(7), first);
  EXPECT_NE(fragment_->Publish(8), first);
  for (uint64_t window = 9; window < 9 + kPublishedWindowsKept; ++window) {
    fragment_->Publish(window);
  }
  EXPECT_EQ(fragment_->Publish(7)->version(), 1u) << "old windows are forgotten";
}

TEST_F(FragmentTest, AnEncodingIsMadeOnceAndShared) {
  Make("sgd:lr=1", "accept");
  auto bf16 = *BuiltinCodecs().Create("bf16");
  auto published = fragment_->Publish(0);
  EXPECT_EQ(published->Find(*bf16), nullptr);
  auto encoded = published->Encode(*bf16);
  ASSERT_TRUE(encoded.ok());
  EXPECT_EQ(*published->Encode(*bf16), *encoded);
  EXPECT_EQ(published->Find(*bf16), *encoded);
}

}  // namespace
}  // namespace tideway
