#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/server/snapshot.h"
#include "core/server/snapshot_manifest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/layout.h"

namespace tideway {
namespace {

namespace fs = std::filesystem;

class SnapshotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(::testing::TempDir()) /
           ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  SnapshotContent Content(float value) const {
    SnapshotContent content;
    content.outer_optimizer = "sgd:lr=1";
    for (const FragmentSpec& spec : layout_.fragments()) {
      Fragment::State state;
      state.version = 12;
      state.theta.assign(spec.elements, value);
      state.optimizer.slots = {std::vector<float>(spec.elements, value * 2)};
      state.optimizer.pushes = 3;
      state.optimizer.window = 4;
      DedupWindow window(77);
      window.RaiseFloor(5);
      window.Insert({5, 11, wire::Verdict::kApplied});
      window.Insert({8, 12, wire::Verdict::kRejected});
      state.dedup.emplace(1, window);
      content.fragments.emplace(spec.id, std::move(state));
    }
    content.workers.push_back({.id = 1, .name = "w", .incarnation = 77, .retired = {70}});
    optim::SchedulerState schedule;
    schedule.window = 9;
    schedule.draws = 4;
    schedule.learned = {100, 200};
    schedule.spread = absl::Seconds(2);
    schedule.paces.push_back({1, {.steps_per_second = 3.5}});
    content.schedule = schedule;
    return content;
  }

  fs::path dir_;
  Layout layout_ = *Layout::Create({{"a", {10}}, {"b", {3, 2}}}, {.fragment_bytes_max = 32});
};

TEST_F(SnapshotTest, WhatIsReadIsWhatWasWritten) {
  SnapshotFolder folder(dir_.string(), 0);
  ASSERT_TRUE(folder.Write(Content(1.5f), layout_).ok());
  auto read = folder.ReadLatest(layout_);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->outer_optimizer, "sgd:lr=1");
  ASSERT_EQ(read->fragments.size(), layout_.fragments().size());
  const Fragment::State& state = read->fragments.at(1);
  EXPECT_EQ(state.version, 12u);
  EXPECT_EQ(state.theta, std::vector<float>(8, 1.5f));
  EXPECT_EQ(state.optimizer.slots[0], std::vector<float>(8, 3.0f));
  EXPECT_EQ(state.optimizer.window, 4u);
  EXPECT_EQ(state.dedup.at(1).Find(8)->verdict, wire::Verdict::kRejected);
  EXPECT_TRUE(state.dedup.at(1).BelowFloor(4));
  EXPECT_EQ(read->workers[0].retired, std::vector<uint64_t>{70});
  EXPECT_EQ(read->schedule->learned, (std::vector<uint64_t>{100, 200}));
  EXPECT_EQ(read->schedule->spread, absl::Seconds(2));
  EXPECT_EQ(read->schedule->paces[0].pace.steps_per_second, 3.5);
}

TEST_F(SnapshotTest, TheNewestWinsAndOldOnesGo) {
  SnapshotFolder folder(dir_.string(), 0);
  for (int i = 1; i <= 4; ++i) {
    ASSERT_TRUE(folder.Write(Content(static_cast<float>(i)), layout_).ok());
  }
  EXPECT_EQ(folder.ReadLatest(layout_)->fragments.at(0).theta[0], 4.0f);
  EXPECT_FALSE(fs::exists(dir_ / "server-0" / "snapshot-2"));
  EXPECT_TRUE(fs::exists(dir_ / "server-0" / "snapshot-3"));
}

TEST_F(SnapshotTest, ACrashWhileWritingLeavesTheFormerOneValid) {
  SnapshotFolder folder(dir_.string(), 0);
  ASSERT_TRUE(folder.Write(Content(1.0f), layout_).ok());
  fs::create_directories(dir_ / "server-0" / "snapshot-2.tmp");
  std::ofstream(dir_ / "server-0" / "snapshot-2.tmp" / "parameters.safetensors") << "torn";
  EXPECT_EQ(folder.ReadLatest(layout_)->fragments.at(0).theta[0], 1.0f);
  ASSERT_TRUE(folder.Write(Content(2.0f), layout_).ok());
  EXPECT_EQ(folder.ReadLatest(layout_)->fragments.at(0).theta[0], 2.0f);
  EXPECT_FALSE(fs::exists(dir_ / "server-0" / "snapshot-2.tmp"));
}

TEST_F(SnapshotTest, NoneIsNotFound) {
  EXPECT_EQ(SnapshotFolder(dir_.string(), 0).ReadLatest(layout_).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(SnapshotTest, AnotherModelIsAFailedPrecondition) {
  SnapshotFolder folder(dir_.string(), 0);
  ASSERT_TRUE(folder.Write(Content(1.0f), layout_).ok());
  const Layout other = *Layout::Create({{"a", {11}}});
  EXPECT_EQ(folder.ReadLatest(other).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SnapshotTest, AnyDamagedByteOfTheValuesIsDataLoss) {
  SnapshotFolder folder(dir_.string(), 0);
  auto path = folder.Write(Content(1.0f), layout_);
  ASSERT_TRUE(path.ok());
  const std::string file = *path + "/parameters.safetensors";
  const auto bytes = static_cast<std::streamoff>(fs::file_size(file));
  const std::streamoff values = 2 * 16 * 4;
  for (std::streamoff at = bytes - values; at < bytes; at += 7) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(at);
    const char old = static_cast<char>(stream.get());
    stream.seekp(at);
    stream.put(static_cast<char>(old ^ 1));
    stream.close();
    EXPECT_EQ(folder.ReadLatest(layout_).status().code(), absl::StatusCode::kDataLoss)
        << "byte " << at;
    std::fstream mend(file, std::ios::in | std::ios::out | std::ios::binary);
    mend.seekp(at);
    mend.put(old);
  }
  EXPECT_TRUE(folder.ReadLatest(layout_).ok());
}

TEST_F(SnapshotTest, ATruncatedManifestIsAStatus) {
  const std::string manifest = SerializeManifest(Content(1.0f), layout_);
  SnapshotFolder folder(dir_.string(), 0);
  auto path = folder.Write(Content(1.0f), layout_);
  ASSERT_TRUE(path.ok());
  for (size_t length = 0; length < manifest.size(); length += 3) {
    std::ofstream(*path + "/manifest.pb", std::ios::binary | std::ios::trunc)
        << manifest.substr(0, length);
    EXPECT_FALSE(folder.ReadLatest(layout_).ok()) << length;
  }
}

}  // namespace
}  // namespace tideway
