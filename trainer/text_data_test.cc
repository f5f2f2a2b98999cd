#include "trainer/text_data.h"

#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway::trainer {
namespace {

using ::testing::HasSubstr;

std::string Letters(size_t bytes, uint32_t seed = 1) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) {
    seed = seed * 1664525u + 1013904223u;
    text.push_back(static_cast<char>('a' + (seed >> 24) % 26));
  }
  return text;
}

std::string Gzip(const std::string& text) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

class TextDataTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/text_dataXXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Put(const std::string& name, const std::string& content) {
    const std::filesystem::path path = folder_ + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }

  static absl::StatusOr<TextData> Load(std::vector<std::string> paths, int shards = 1) {
    return TextData::Load({.paths = std::move(paths), .shards = shards, .context = 16});
  }

  static void ExpectRefused(const absl::StatusOr<TextData>& data, const std::string& why) {
    ASSERT_FALSE(data.ok());
    EXPECT_THAT(std::string(data.status().message()), HasSubstr(why));
  }

  std::string folder_;
};

TEST_F(TextDataTest, TheHeldOutPartIsTheTailOfEachBlockAndSharesNoByteWithTraining) {
  std::string text(16000, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = i % 1000 >= 900 ? 'H' : 'T';
  const auto data = TextData::FromText(text, {.held_out_percent = 10.0, .context = 16});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->held_out(), std::string(1600, 'H'));
  EXPECT_EQ(data->training(), std::string(14400, 'T'));
}

TEST_F(TextDataTest, ShardsAreContiguousAndTogetherTheTrainingText) {
  const auto data = TextData::FromText(Letters(10007), {.shards = 3, .context = 16});
  ASSERT_TRUE(data.ok()) << data.status();
  std::string all;
  for (int shard = 0; shard < 3; ++shard) all += std::string(data->Shard(shard));
  EXPECT_EQ(all, data->training());
}

TEST_F(TextDataTest, AFolderIsReadInPathOrderPlainAndGzipAlike) {
  Put("b.txt", "world" + Letters(4000, 2));
  Put("a.txt.gz", Gzip("hello" + Letters(4000, 3)));
  Put(".hidden", "never");
  Put("c/deep.txt", "deep" + Letters(4000, 4));
  Put("picture.png", std::string("\x89PNG\0\0", 6));
  const auto folder = Load({folder_});
  ASSERT_TRUE(folder.ok()) << folder.status();
  const auto text = TextData::FromText(
      "hello" + Letters(4000, 3) + "world" + Letters(4000, 2) + "deep" + Letters(4000, 4),
      {.context = 16});
  EXPECT_EQ(folder->training(), text->training());
  EXPECT_EQ(folder->held_out(), text->held_out());
}

TEST_F(TextDataTest, GzipStreamsInARowAreOneText) {
  const std::string file = Put("two.gz", Gzip(Letters(5000, 5)) + Gzip(Letters(5000, 6)));
  const auto data = Load({file});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->training().size() + data->held_out().size(), 10000u);
}

TEST_F(TextDataTest, ABatchIsAPureFunctionOfSeedShardAndStep) {
  const auto data = TextData::FromText(Letters(20000), {.shards = 2, .context = 16});
  ASSERT_TRUE(data.ok());
  const Batch batch = data->Sample(7, 1, 42, 4);
  EXPECT_EQ(batch.inputs, data->Sample(7, 1, 42, 4).inputs);
  EXPECT_NE(batch.inputs, data->Sample(8, 1, 42, 4).inputs);
  EXPECT_NE(batch.inputs, data->Sample(7, 0, 42, 4).inputs);
  EXPECT_NE(batch.inputs, data->Sample(7, 1, 43, 4).inputs);
}

TEST_F(TextDataTest, EachRowIsAWindowOfTheShardWithTargetsMovedByOne) {
  const auto data = TextData::FromText(Letters(20000), {.shards = 2, .context = 16});
  ASSERT_TRUE(data.ok());
  const Batch batch = data->Sample(1, 1, 0, 8);
  ASSERT_EQ(batch.rows, 8);
  ASSERT_EQ(batch.inputs.size(), 8u * 16u);
  const std::string shard(data->Shard(1));
  for (size_t row = 0; row < 8; ++row) {
    std::string window;
    for (size_t i = 0; i < 16; ++i) window.push_back(static_cast<char>(batch.inputs[row * 16 + i]));
    window.push_back(static_cast<char>(batch.targets[row * 16 + 15]));
    EXPECT_NE(shard.find(window), std::string::npos);
    for (size_t i = 0; i + 1 < 16; ++i) {
      EXPECT_EQ(batch.targets[row * 16 + i], batch.inputs[row * 16 + i + 1]);
    }
  }
}

TEST_F(TextDataTest, SamplingReachesTheWholeShardEvenly) {
  const auto data = TextData::FromText(Letters(4000), {.context = 16});
  ASSERT_TRUE(data.ok());
  const std::string text(data->training());
  int late = 0;
  for (uint64_t step = 0; step < 400; ++step) {
    const Batch batch = data->Sample(3, 0, step, 1);
    const std::string window(batch.inputs.begin(), batch.inputs.end());
    if (text.find(window) >= text.size() / 2) ++late;
  }
  EXPECT_NEAR(late, 200, 50);  // five standard deviations
}

TEST_F(TextDataTest, HeldOutWindowsAreTheSameEachTimeAndDoNotOverlap) {
  const auto data = TextData::FromText(Letters(20000), {.context = 16});
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->HeldOut(8).inputs, data->HeldOut(8).inputs);
  const Batch all = data->HeldOut(1 << 20);
  EXPECT_EQ(static_cast<size_t>(all.rows), (data->held_out().size() - 1) / 16);
  const std::string text(all.inputs.begin(), all.inputs.end());
  EXPECT_EQ(text, data->held_out().substr(0, text.size()));
}

TEST_F(TextDataTest, BadInputIsRefusedInOneSentence) {
  ExpectRefused(Load({}), "--data");
  ExpectRefused(Load({folder_ + "/absent"}), "no file or folder");
  ExpectRefused(Load({folder_}), "holds no text");
  ExpectRefused(Load({Put("empty", "")}), "is empty");
  ExpectRefused(Load({Put("short", "abc")}), "too short");
  const std::string packed = Gzip(Letters(9000));
  ExpectRefused(Load({Put("cut.gz", packed.substr(0, packed.size() / 2))}), "damaged or cut");
  ExpectRefused(Load({Put("ok", Letters(9000))}, 0), "shard");
  ExpectRefused(Load({Put("ok", Letters(9000))}, 1000), "too short");
  ExpectRefused(TextData::FromText(Letters(9000), {.held_out_percent = 0.0}), "held-out share");
  ExpectRefused(TextData::FromText(Letters(9000), {.held_out_percent = 51.0}), "held-out share");
}

}  // namespace
}  // namespace tideway::trainer
