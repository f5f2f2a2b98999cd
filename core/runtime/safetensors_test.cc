#include "tideway/safetensors.h"

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SafetensorsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/safetensorsXXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path() const { return folder_ + "/model.safetensors"; }

  void Raw(const std::string& header, size_t data_bytes, int64_t claimed = -1) {
    const uint64_t length = claimed >= 0 ? static_cast<uint64_t>(claimed) : header.size();
    std::ofstream out(Path(), std::ios::binary);
    out.write(reinterpret_cast<const char*>(&length), sizeof(length));
    out << header << std::string(data_bytes, '\0');
  }

  void ExpectDamaged(const std::string& header, size_t data_bytes, const std::string& why) {
    Raw(header, data_bytes);
    const absl::StatusOr<Safetensors> file = ReadSafetensors(Path());
    ASSERT_FALSE(file.ok()) << header;
    EXPECT_EQ(file.status().code(), absl::StatusCode::kDataLoss) << file.status();
    EXPECT_THAT(std::string(file.status().message()), HasSubstr(why)) << header;
  }

  std::string folder_;
};

TEST_F(SafetensorsTest, ReadsBackNamesShapesValuesAndMetadataInTheOrderWritten) {
  const std::vector<float> z = {1.5f, -2.0f, 0.0f, 4.0f, 5.0f, 6.25f}, a = {7.0f};
  ASSERT_TRUE(WriteSafetensors(Path(), {{"z", {2, 3}, z}, {"a", {}, a}, {"none", {0}, {}}},
                               {{"step", "12"}, {"note", "a \"quoted\" one"}})
                  .ok());
  const absl::StatusOr<Safetensors> file = ReadSafetensors(Path());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors.size(), 3u);
  EXPECT_EQ(file->tensors[0].name, "z");
  EXPECT_THAT(file->tensors[0].shape, ElementsAre(2, 3));
  EXPECT_EQ(file->tensors[1].name, "a");
  EXPECT_THAT(file->values, ElementsAre(1.5f, -2.0f, 0.0f, 4.0f, 5.0f, 6.25f, 7.0f));
  EXPECT_THAT(file->offsets, ElementsAre(0u, 6u, 7u, 7u));
  EXPECT_THAT(file->Find("a"), ElementsAre(7.0f));
  EXPECT_EQ(file->Find("absent").data(), nullptr);
  EXPECT_EQ(file->metadata.at("step"), "12");
  EXPECT_EQ(file->metadata.at("note"), "a \"quoted\" one");
}

TEST_F(SafetensorsTest, TheValuesStartAtAMultipleOfEightBytes) {
  const std::vector<float> one = {1.0f};
  for (const char* name : {"a", "ab", "abc", "abcdefgh"}) {
    ASSERT_TRUE(WriteSafetensors(Path(), {{name, {1}, one}}).ok());
    EXPECT_EQ((std::filesystem::file_size(Path()) - sizeof(float)) % 8, 0u) << name;
  }
}

TEST_F(SafetensorsTest, ReplacesAnOldFileAndLeavesNoOtherBehind) {
  const std::vector<float> old_values = {1.0f, 2.0f}, new_values = {3.0f};
  ASSERT_TRUE(WriteSafetensors(Path(), {{"w", {2}, old_values}}).ok());
  ASSERT_TRUE(WriteSafetensors(Path(), {{"w", {1}, new_values}}).ok());
  EXPECT_THAT(ReadSafetensors(Path())->values, ElementsAre(3.0f));
  const auto files = std::filesystem::directory_iterator(folder_);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(SafetensorsTest, RefusesToWriteWhatCouldNotBeReadBack) {
  const std::vector<float> one = {1.0f};
  const auto refused = [&](std::vector<SafetensorsView> tensors) {
    return WriteSafetensors(Path(), tensors).code() == absl::StatusCode::kInvalidArgument &&
           !std::filesystem::exists(Path());
  };
  EXPECT_TRUE(refused({{"", {1}, one}}));
  EXPECT_TRUE(refused({{"__metadata__", {1}, one}}));
  EXPECT_TRUE(refused({{"w", {1}, one}, {"w", {1}, one}}));
  EXPECT_TRUE(refused({{"w", {2}, one}}));
  EXPECT_TRUE(refused({{"w", {-1}, one}}));
  EXPECT_TRUE(refused({{"w", {int64_t{1} << 62, 16}, one}}));
}

TEST_F(SafetensorsTest, AMissingFolderOrFileIsNotFound) {
  EXPECT_EQ(ReadSafetensors(Path()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(WriteSafetensors(folder_ + "/no/such/file", {}).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadSafetensors(folder_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SafetensorsTest, RefusesAHeaderLengthBeyondTheFile) {
  for (int64_t claimed : {int64_t{3}, int64_t{1} << 40, INT64_MAX}) {
    Raw("{}", 0, claimed);
    EXPECT_EQ(ReadSafetensors(Path()).status().code(), absl::StatusCode::kDataLoss) << claimed;
  }
  std::ofstream(Path(), std::ios::binary) << "abc";
  EXPECT_EQ(ReadSafetensors(Path()).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SafetensorsTest, RefusesHostileHeaders) {
  const auto one = [](const std::string& body) { return "{\"w\":{" + body + "}}"; };
  ExpectDamaged("", 0, "no JSON object");
  ExpectDamaged("[1,2]", 0, "no JSON object");
  ExpectDamaged("{\"w\":", 0, "no JSON object");
  ExpectDamaged(std::string(1 << 16, '['), 0, "no JSON object");
  ExpectDamaged("{\"w\":7}", 0, "lacks");
  ExpectDamaged(one(R"("dtype":"F32","shape":[1])"), 4, "lacks");
  ExpectDamaged(one(R"("dtype":1,"shape":[1],"data_offsets":[0,4])"), 4, "wrong kind");
  ExpectDamaged(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4, "no size");
  ExpectDamaged(one(R"("dtype":"F32","shape":[0.5],"data_offsets":[0,4])"), 4, "no size");
  ExpectDamaged(one(R"("dtype":"F32","shape":["1"],"data_offsets":[0,4])"), 4, "no size");
  ExpectDamaged(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])"), 4, "outside");
  ExpectDamaged(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), 4, "outside");
  ExpectDamaged(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])"), 8, "outside");
  ExpectDamaged(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), 4, "doesn't fit");
  ExpectDamaged(one(R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0])"), 0,
                "doesn't fit");
  ExpectDamaged(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), 6, "bytes follow");
  ExpectDamaged(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), 8, "hole");
  ExpectDamaged(R"({"__metadata__":{"a":1}})", 0, "no text");
  ExpectDamaged(R"({"__metadata__":[]})", 0, "no object");
}

TEST_F(SafetensorsTest, RefusesTensorsThatOverlap) {
  const std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  ExpectDamaged("{\"a\":" + entry + ",\"b\":" + entry + "}", 4, "overlaps");
}

TEST_F(SafetensorsTest, ANameGivenTwiceStandsForTheLastOfItsEntries) {
  Raw(R"({"a":{"dtype":"BF16"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4);
  const absl::StatusOr<Safetensors> file = ReadSafetensors(Path());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tensors.size(), 1u);
}

TEST_F(SafetensorsTest, OtherTypesAreUnimplementedAndNamed) {
  Raw(R"({"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})", 4);
  const absl::Status status = ReadSafetensors(Path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("BF16"));
}

}  // namespace
}  // namespace tideway
