// What a publisher encodes is what a subscriber stages: chunks, editions, anchors, checksums; and frames that lie.

#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/sync/chunk_table.h"
#include "core/sync/master.h"
#include "core/sync/stager.h"
#include "core/sync/weights_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/builtin_codecs.h"

namespace tideway::sync {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using wire::WeightFrameHeader;
using wire::WeightFrameType;

constexpr uint64_t kEpoch = 0xe;
constexpr size_t kChunkBytes = 64;

std::shared_ptr<const ChunkTable> Table(const WeightLayout& layout, size_t run_bytes = 256) {
  return std::make_shared<const ChunkTable>(*ChunkTable::Create(layout, kChunkBytes, run_bytes));
}

std::shared_ptr<const Codec> Lossless() { return *BuiltinCodecs().Create("sparse_lossless"); }

absl::Span<const std::byte> BytesOf(const std::vector<uint64_t>& words) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(words.data()), 8 * words.size());
}

WeightFrameHeader Header(WeightFrameType type, uint64_t from, uint64_t to, uint64_t count = 0) {
  return {
      .type = static_cast<uint8_t>(type), .epoch = kEpoch, .from = from, .to = to, .count = count};
}

// Both ends without a network.
class Ends : public ::testing::Test {
 protected:
  Ends()
      : table_(Table(SmallWeights())),
        model_(table_->layout()),
        master_(*Master::Create(table_, Lossless())),
        stager_(table_, Lossless()) {
    for (int i = 0; i < 2; ++i) copies_.push_back(*WeightCopy::Create(table_));
    model_.Fill(random_);
  }

  // Publishes what model_ is now.
  const Edition& Publish() {
    const auto pointers = model_.pointers();
    editions_.push_back(master_->Advance(master_->version() + 1, pointers, anchors_, nullptr, 0));
    return editions_.back();
  }

  const Edition& newest() const { return editions_.back(); }

  absl::Status BeginChain(uint64_t from) {
    uint64_t frames = 0;
    for (const Edition& edition : editions_) {
      if (edition.from >= from) frames += edition.pages.size();
    }
    return stager_.Begin(Header(WeightFrameType::kVersion, from, newest().to, frames),
                         BytesOf(*newest().checksums), copies_[0].get(), copies_[1].get());
  }

  absl::Status TakeChain(uint64_t from) {
    for (const Edition& edition : editions_) {
      if (edition.from < from) continue;
      for (const auto& page : edition.pages) {
        absl::Status status = stager_.TakeChanges(
            Header(WeightFrameType::kChanges, edition.from, edition.to), page->span());
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status BeginWhole(const Anchor& anchor) {
    return stager_.Begin(
        Header(WeightFrameType::kVersion, 0, anchor.version(), table_->chunks().size()),
        BytesOf(*anchor.checksums()), nullptr, copies_[1].get());
  }

  absl::Status TakeWhole(const Anchor& anchor, size_t begin = 0, size_t end = SIZE_MAX) {
    for (size_t i = begin; i < std::min(end, table_->chunks().size()); ++i) {
      const Chunk& chunk = table_->chunks()[i];
      std::vector<std::byte> bytes(chunk.bytes);
      master_->ReadChunk(anchor, i, absl::MakeSpan(bytes));
      WeightFrameHeader header = Header(WeightFrameType::kWhole, 0, anchor.version());
      header.tensor = chunk.tensor;
      header.chunk = chunk.index;
      absl::Status status = stager_.TakeWhole(header, bytes);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // The staged copy comes into use.
  absl::Status Finish() {
    EXPECT_TRUE(stager_.AllTaken());
    for (;;) {
      const absl::StatusOr<bool> done = stager_.FinishSome(100);
      if (!done.ok()) return done.status();
      if (*done) break;
    }
    stager_.Abandon();
    std::swap(copies_[0], copies_[1]);
    return absl::OkStatus();
  }

  void ExpectInUse(const TestModel& model) const {
    for (size_t i = 0; i < model.tensors.size(); ++i) {
      EXPECT_EQ(copies_[0]->tensor(i), absl::MakeConstSpan(model.tensors[i])) << i;
    }
  }

  void InstallFirst() {
    Publish();
    const auto anchor = master_->NewAnchor(newest().checksums);
    ASSERT_TRUE(BeginWhole(*anchor).ok());
    ASSERT_TRUE(TakeWhole(*anchor).ok());
    ASSERT_TRUE(Finish().ok());
  }

  std::mt19937_64 random_{3};
  std::shared_ptr<const ChunkTable> table_;
  TestModel model_;
  std::unique_ptr<Master> master_;
  std::vector<std::shared_ptr<Anchor>> anchors_;
  std::vector<Edition> editions_;
  Stager stager_;
  std::vector<std::unique_ptr<WeightCopy>> copies_;  // in use, staged
};

TEST(ChunkTable, CutsEachTensorByItselfAndNumbersChunksThrough) {
  const auto table = Table(SmallWeights());
  ASSERT_THAT(table->chunks(), SizeIs(22 + 1 + 1 + 22));
  EXPECT_EQ(table->chunks()[21].bytes, 1400u - 21 * 64);
  EXPECT_EQ(table->chunks()[22].tensor, 1u);
  EXPECT_EQ(table->chunks()[22].word_bytes, 4u);
  EXPECT_EQ(table->block_offset_of(1) % 64, 0u);
  EXPECT_EQ(table->Find(3, 21), 45u);
  EXPECT_EQ(table->Find(3, 22), std::nullopt);
  EXPECT_EQ(table->Find(4, 0), std::nullopt);
  size_t next = 0;
  for (const ChunkRange& run : table->runs()) {
    EXPECT_EQ(run.begin, next);
    next = run.end;
  }
  EXPECT_EQ(next, 46u);
}

TEST(ChunkTable, RefusesChunksThatCantBe) {
  for (const size_t bytes : {size_t{0}, size_t{66}, kWeightChunkBytesMax + 4}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ChunkTable::Create(SmallWeights(), bytes).status()));
  }
  const auto large = WeightLayout::Create({{"a", WeightType::kBf16, {int64_t{1} << 40}}});
  EXPECT_THAT(std::string(ChunkTable::Create(*large, 64).status().message()),
              HasSubstr("raise it"));
}

TEST_F(Ends, AWholeVersionArrivesBitForBit) {
  InstallFirst();
  ExpectInUse(model_);
}

TEST_F(Ends, DifferencesArriveBitForBitVersionAfterVersion) {
  InstallFirst();
  for (const double share : {0.02, 0.5, 1.0, 0.001, 0.02}) {
    model_.Change(share, random_);
    Publish();
    ASSERT_TRUE(BeginChain(newest().from).ok());
    ASSERT_TRUE(TakeChain(newest().from).ok());
    ASSERT_TRUE(Finish().ok());
    ExpectInUse(model_);
  }
}

TEST_F(Ends, ALaggardTakesSeveralDifferencesAtOnce) {
  InstallFirst();
  for (int i = 0; i < 5; ++i) {
    model_.Change(0.01, random_);
    Publish();
  }
  ASSERT_TRUE(BeginChain(1).ok());
  ASSERT_TRUE(TakeChain(1).ok());
  ASSERT_TRUE(Finish().ok());
  ExpectInUse(model_);
}

TEST_F(Ends, AVersionThatChangesNothingNeedsNoFrame) {
  InstallFirst();
  EXPECT_THAT(Publish().pages, IsEmpty());
  ASSERT_TRUE(BeginChain(1).ok());
  ASSERT_TRUE(Finish().ok());
  ExpectInUse(model_);
}

TEST_F(Ends, OnlyChangedChunksAreEncoded) {
  InstallFirst();
  model_.tensors[0][100] ^= std::byte{1};
  const Edition& edition = Publish();
  ASSERT_THAT(edition.pages, SizeIs(1));
  wire::WeightRecordReader reader(edition.pages[0]->span());
  const auto record = reader.Next();
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->tensor, 0u);
  EXPECT_EQ(record->chunk, 1u);
  EXPECT_TRUE(reader.AtEnd());
}

TEST_F(Ends, AnAnchorStaysWhatItWasWhileVersionsGoOn) {
  InstallFirst();
  const TestModel then = model_;
  const auto anchor = master_->NewAnchor(newest().checksums);
  anchors_ = {anchor};
  ASSERT_TRUE(BeginWhole(*anchor).ok());
  ASSERT_TRUE(TakeWhole(*anchor, 0, 10).ok());
  for (int i = 0; i < 3; ++i) {
    model_.Change(0.3, random_);
    Publish();
    ASSERT_TRUE(TakeWhole(*anchor, 10 + 10 * i, 20 + 10 * i).ok());
  }
  ASSERT_TRUE(TakeWhole(*anchor, 40).ok());
  ASSERT_TRUE(Finish().ok());
  ExpectInUse(then);
}

TEST_F(Ends, AStageThatWasGivenUpLeavesNoTrace) {
  InstallFirst();
  const TestModel first = model_;
  model_.Change(1.0, random_);
  Publish();
  ASSERT_TRUE(BeginChain(1).ok());
  ASSERT_TRUE(
      stager_.TakeChanges(Header(WeightFrameType::kChanges, 1, 2), newest().pages[0]->span()).ok());
  model_ = first;
  Publish();
  ASSERT_TRUE(BeginChain(1).ok());
  ASSERT_TRUE(TakeChain(1).ok());
  ASSERT_TRUE(Finish().ok());
  ExpectInUse(first);
}

TEST_F(Ends, ACodecThatFailsLeavesAVersionThatOnlyTheWholeLeadsTo) {
  class Failing final : public VersionDifference {
    size_t Bound(size_t bytes) const override { return bytes; }
    absl::StatusOr<size_t> Encode(absl::Span<const std::byte>, absl::Span<const std::byte>, size_t,
                                  absl::Span<std::byte>) const override {
      return absl::InternalError("no");
    }
    absl::Status Apply(absl::Span<const std::byte>, size_t, absl::Span<std::byte>) const override {
      return absl::InternalError("no");
    }
  };
  class FailingCodec final : public Codec {
   public:
    const CodecInfo& info() const override { return info_; }
    size_t Bound(size_t) const override { return 0; }
    absl::StatusOr<size_t> Encode(absl::Span<const float>, absl::Span<float>, const EncodeOptions&,
                                  absl::Span<std::byte>) const override {
      return 0;
    }
    absl::Status DecodeAdd(absl::Span<const std::byte>, float, absl::Span<float>) const override {
      return absl::OkStatus();
    }
    const VersionDifference* version_difference() const override { return &difference_; }

   private:
    CodecInfo info_;
    Failing difference_;
  };
  master_ = *Master::Create(table_, std::make_shared<FailingCodec>());
  Publish();
  model_.Change(0.1, random_);
  EXPECT_EQ(Publish().from, 0u);
  EXPECT_THAT(newest().pages, IsEmpty());
  const auto anchor = master_->NewAnchor(newest().checksums);
  ASSERT_TRUE(BeginWhole(*anchor).ok());
  ASSERT_TRUE(TakeWhole(*anchor).ok());
  ASSERT_TRUE(Finish().ok());
  ExpectInUse(model_);
}

TEST(Master, HelpersMakeTheSameEdition) {
  const auto layout = *WeightLayout::Create({{"w", WeightType::kBf16, {1 << 20}}});
  const auto table =
      std::make_shared<const ChunkTable>(*ChunkTable::Create(layout, 4096, size_t{64} << 10));
  std::mt19937_64 random(4);
  TestModel model(layout);
  model.Fill(random);
  const auto alone = *Master::Create(table, Lossless());
  const auto helped = *Master::Create(table, Lossless());
  const auto executor = NewThreadExecutor({.threads = 3});
  for (uint64_t version = 1; version <= 4; ++version) {
    const auto pointers = model.pointers();
    const Edition a = alone->Advance(version, pointers, {}, nullptr, 0);
    const Edition b = helped->Advance(version, pointers, {}, executor.get(), 3);
    EXPECT_EQ(*a.checksums, *b.checksums);
    ASSERT_EQ(a.pages.size(), b.pages.size());
    for (size_t i = 0; i < a.pages.size(); ++i) EXPECT_EQ(a.pages[i]->span(), b.pages[i]->span());
    model.Change(0.02, random);
  }
  executor->Stop();
}

TEST(Master, AnAnchorMayBeReadWhileAVersionIsEncoded) {
  const auto layout = *WeightLayout::Create({{"w", WeightType::kFp32, {1 << 18}}});
  const auto table =
      std::make_shared<const ChunkTable>(*ChunkTable::Create(layout, 4096, size_t{64} << 10));
  std::mt19937_64 random(5);
  TestModel model(layout);
  model.Fill(random);
  const TestModel then = model;
  const auto master = *Master::Create(table, Lossless());
  const Edition first = master->Advance(1, model.pointers(), {}, nullptr, 0);
  const auto anchor = master->NewAnchor(first.checksums);
  model.Change(0.5, random);
  std::vector<std::byte> read(layout.bytes());
  std::thread reader([&] {
    for (size_t i = 0; i < table->chunks().size(); ++i) {
      const Chunk& chunk = table->chunks()[i];
      master->ReadChunk(*anchor, i, absl::MakeSpan(read).subspan(chunk.offset, chunk.bytes));
    }
  });
  const std::vector<std::shared_ptr<Anchor>> anchors = {anchor};
  master->Advance(2, model.pointers(), anchors, nullptr, 0);
  reader.join();
  EXPECT_EQ(read, then.tensors[0]);
}

// What a hostile or broken publisher may send.

TEST_F(Ends, AnAnnouncementThatCantBeIsRefused) {
  InstallFirst();
  model_.Change(0.1, random_);
  Publish();
  const auto begin = [&](WeightFrameHeader header, size_t bytes) {
    return stager_.Begin(header, BytesOf(*newest().checksums).first(bytes), copies_[0].get(),
                         copies_[1].get());
  };
  const size_t all = 8 * table_->layout().tensors().size();
  EXPECT_TRUE(begin(Header(WeightFrameType::kVersion, 1, 2, 1), all).ok());
  EXPECT_FALSE(begin(Header(WeightFrameType::kVersion, 1, 2, 1), all - 8).ok());
  EXPECT_FALSE(begin(Header(WeightFrameType::kVersion, 2, 2, 1), all).ok());
  EXPECT_FALSE(begin(Header(WeightFrameType::kVersion, 2, 1, 1), all).ok());
  EXPECT_FALSE(begin(Header(WeightFrameType::kVersion, 0, 1, 45), all).ok());
  EXPECT_FALSE(begin(Header(WeightFrameType::kVersion, 1, 2, UINT64_MAX), all).ok());
  WeightFrameHeader no_epoch = Header(WeightFrameType::kVersion, 1, 2, 1);
  no_epoch.epoch = 0;
  EXPECT_FALSE(begin(no_epoch, all).ok());
  EXPECT_FALSE(stager_.active());
}

TEST_F(Ends, ChangesThatDontBelongThereAreRefused) {
  InstallFirst();
  model_.Change(1.0, random_);
  const Edition second = Publish();
  ASSERT_THAT(second.pages, SizeIs(::testing::Gt(2)));
  const auto refuses = [&](WeightFrameHeader header, absl::Span<const std::byte> payload) {
    EXPECT_TRUE(BeginChain(1).ok());
    EXPECT_TRUE(
        stager_.TakeChanges(Header(WeightFrameType::kChanges, 1, 2), second.pages[0]->span()).ok());
    return absl::IsInvalidArgument(stager_.TakeChanges(header, payload));
  };
  const auto page = second.pages[1]->span();
  EXPECT_FALSE(refuses(Header(WeightFrameType::kChanges, 1, 2), page));
  EXPECT_TRUE(refuses(Header(WeightFrameType::kChanges, 1, 2), second.pages[0]->span()));
  EXPECT_TRUE(refuses(Header(WeightFrameType::kChanges, 1, 2), {}));
  EXPECT_TRUE(refuses(Header(WeightFrameType::kChanges, 1, 3), page));
  EXPECT_TRUE(refuses(Header(WeightFrameType::kChanges, 0, 2), page));
  EXPECT_TRUE(refuses(Header(WeightFrameType::kChanges, 2, 3), page));
  EXPECT_TRUE(refuses(Header(WeightFrameType::kChanges, 1, 2), page.first(page.size() - 1)));
  WeightFrameHeader another = Header(WeightFrameType::kChanges, 1, 2);
  another.epoch = 0xf;
  EXPECT_TRUE(refuses(another, page));
  WeightFrameHeader whole = Header(WeightFrameType::kWhole, 0, 2);
  EXPECT_TRUE(BeginChain(1).ok());
  EXPECT_FALSE(stager_.TakeWhole(whole, std::vector<std::byte>(64)).ok());
}

TEST_F(Ends, WholeChunksOutOfTurnOrOfAnotherLengthAreRefused) {
  Publish();
  const auto anchor = master_->NewAnchor(newest().checksums);
  ASSERT_TRUE(BeginWhole(*anchor).ok());
  EXPECT_FALSE(TakeWhole(*anchor, 1).ok());
  ASSERT_TRUE(BeginWhole(*anchor).ok());
  EXPECT_FALSE(
      stager_.TakeWhole(Header(WeightFrameType::kWhole, 0, 1), std::vector<std::byte>(63)).ok());
  ASSERT_TRUE(BeginWhole(*anchor).ok());
  EXPECT_FALSE(
      stager_.TakeChanges(Header(WeightFrameType::kChanges, 0, 1), std::vector<std::byte>(64))
          .ok());
}

TEST_F(Ends, MoreFramesThanAnnouncedAreRefused) {
  InstallFirst();
  model_.Change(1.0, random_);
  const Edition& second = Publish();
  ASSERT_TRUE(stager_
                  .Begin(Header(WeightFrameType::kVersion, 1, 2, 1), BytesOf(*second.checksums),
                         copies_[0].get(), copies_[1].get())
                  .ok());
  const WeightFrameHeader header = Header(WeightFrameType::kChanges, 1, 2);
  EXPECT_TRUE(stager_.TakeChanges(header, second.pages[0]->span()).ok());
  EXPECT_TRUE(stager_.AllTaken());
  EXPECT_FALSE(stager_.TakeChanges(header, second.pages[1]->span()).ok());
}

TEST_F(Ends, AMissingChangeIsFoundByTheTensorsChecksum) {
  InstallFirst();
  model_.tensors[3][0] ^= std::byte{1};
  const Edition& second = Publish();
  ASSERT_TRUE(stager_
                  .Begin(Header(WeightFrameType::kVersion, 1, 2, 0), BytesOf(*second.checksums),
                         copies_[0].get(), copies_[1].get())
                  .ok());
  const absl::Status status = Finish();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("tensor 'head' (fp32 [7, 50]) of version 2"));
}

}  // namespace
}  // namespace tideway::sync
