// Codecs around codecs: how a registry chains them, and what is special to zstd.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/codec_values.h"
#include "tideway/limits.h"

namespace tideway::codec_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// --- the registry, with a wrapper of its own
// -------------------------------------------------------

// Puts the inner wire id before the bytes.
class Tagged final : public Codec {
 public:
  Tagged(Wrapped wrapped, std::string name, uint8_t wire_id) : wrapped_(std::move(wrapped)) {
    info_ = wrapped_.inner->info();
    info_.spec += "+" + name;
    info_.name = std::move(name);
    info_.wire_id = wire_id;
  }

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override { return 1 + wrapped_.inner->Bound(elements); }
  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    out[0] = static_cast<std::byte>(wrapped_.inner->info().wire_id);
    auto bytes = wrapped_.inner->Encode(delta, residual, options, out.subspan(1));
    if (bytes.ok()) ++*bytes;
    return bytes;
  }
  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    for (const auto& decoder : wrapped_.decoders) {
      if (in.empty() || std::byte{decoder->info().wire_id} != in[0]) continue;
      return decoder->DecodeAdd(in.subspan(1), scale, accumulator);
    }
    return absl::InvalidArgumentError("nobody decodes this");
  }

 private:
  const Wrapped wrapped_;
  CodecInfo info_;
};

CodecEntry TaggedEntry(std::string name, uint8_t wire_id) {
  CodecEntry entry = {name, wire_id};
  entry.wrap = [name, wire_id](const Spec& spec,
                               Wrapped wrapped) -> absl::StatusOr<std::unique_ptr<Codec>> {
    SpecReader reader(spec);
    if (absl::Status status = reader.Finish(); !status.ok()) return status;
    return std::make_unique<Tagged>(std::move(wrapped), name, wire_id);
  };
  return entry;
}

CodecRegistry WithTags() {
  CodecRegistry registry = BuiltinCodecs();
  EXPECT_TRUE(registry.Add(TaggedEntry("tag", 200)).ok());
  EXPECT_TRUE(registry.Add(TaggedEntry("label", 201)).ok());
  return registry;
}

std::string Refusal(const std::string& spec) {
  const auto codec = WithTags().Create(spec);
  EXPECT_EQ(codec.status().code(), absl::StatusCode::kInvalidArgument) << spec;
  return std::string(codec.status().message());
}

TEST(Chain, MakesTheWrapperAroundTheCodecWithTheParametersOfEach) {
  const auto codec = WithTags().Create("int8:block=64+tag");
  ASSERT_TRUE(codec.ok()) << codec.status();
  EXPECT_EQ((*codec)->info().spec, "int8:block=64+tag");
  EXPECT_EQ((*codec)->info().wire_id, 200);
}

TEST(Chain, OutlivesItsRegistryAndDecodesWhatAnyOtherMade) {
  auto registry = std::make_unique<CodecRegistry>(WithTags());
  const auto decoder = registry->CreateForWireId(200);
  const auto other = registry->Create("bf16+tag");
  ASSERT_TRUE(decoder.ok() && other.ok());
  registry.reset();
  std::mt19937_64 random(3);
  const std::vector<float> delta = Values(Kind::kNormal, 500, random);
  for (const char* inner : {"identity", "bf16", "int8:block=16", "topk:density=0.1"}) {
    const std::vector<std::byte> plain = Encode(*Make(inner), delta);
    const auto codec = WithTags().Create(std::string(inner) + "+tag");
    ASSERT_TRUE(codec.ok()) << codec.status();
    const std::vector<std::byte> bytes = Encode(**codec, delta);
    ASSERT_EQ(bytes.size(), plain.size() + 1);
    const std::vector<float> expected = Decode(*Make(inner), plain, delta.size());
    EXPECT_EQ(Decode(**decoder, bytes, delta.size()), expected) << inner;
    EXPECT_EQ(Decode(**other, bytes, delta.size()), expected) << inner;
  }
}

TEST(Chain, ThatMakesNoSenseIsRefusedWithWhatToWriteInstead) {
  EXPECT_THAT(Refusal("tag"), HasSubstr("int8+tag"));
  EXPECT_THAT(Refusal("tag+int8"), HasSubstr("tag wraps another codec"));
  EXPECT_THAT(Refusal("int8+bf16"), HasSubstr("bf16 wraps no other codec"));
  EXPECT_THAT(Refusal("int8+tag+tag"), HasSubstr("already"));
  EXPECT_THAT(Refusal("int8+tag+label"), AllOf(HasSubstr("label"), HasSubstr("leave one")));
  EXPECT_THAT(Refusal("int8+"), HasSubstr("one side of a +"));
  EXPECT_THAT(Refusal("+tag"), HasSubstr("one side of a +"));
  EXPECT_THAT(Refusal("int8++tag"), HasSubstr("one side of a +"));
  EXPECT_THAT(Refusal("int8:block=+tag"), HasSubstr("'int8:block='"));
  EXPECT_THAT(Refusal("int8:block=17+tag"), HasSubstr("block=17"));
  EXPECT_THAT(Refusal("int8+tag:level=1"), HasSubstr("level"));
  EXPECT_THAT(Refusal("int8+tag" + std::string(kSpecBytesMax, 'x')), HasSubstr("512"));
}

TEST(Chain, WithAnUnknownCodecIsNotFoundAndTheAnswerNamesWhatExists) {
  const auto codec = WithTags().Create("int8+gzip");
  EXPECT_EQ(codec.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(codec.status().message()), AllOf(HasSubstr("gzip"), HasSubstr("zstd")));
}

TEST(Chain, AWrapperInARegistryWithoutAnythingToWrapIsNotFound) {
  CodecRegistry registry;
  ASSERT_TRUE(registry.Add(TaggedEntry("tag", 200)).ok());
  EXPECT_EQ(registry.CreateForWireId(200).status().code(), absl::StatusCode::kNotFound);
}

TEST(Chain, AnEntryCreatesOrWrapsAndNotBoth) {
  CodecRegistry registry;
  CodecEntry entry = TaggedEntry("both", 202);
  entry.create = [](const Spec&) -> absl::StatusOr<std::unique_ptr<Codec>> { return nullptr; };
  EXPECT_EQ(registry.Add(std::move(entry)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(registry.Add({"neither", 203}).code(), absl::StatusCode::kInvalidArgument);
}

// --- zstd
// ------------------------------------------------------------------------------------------

class Zstd : public testing::Test {
 protected:
  void SetUp() override {
    const auto codec = BuiltinCodecs().Create("identity+zstd");
    if (absl::IsUnavailable(codec.status())) GTEST_SKIP() << codec.status();
  }

  static std::vector<std::byte> FromHex(const char* hex) {
    std::vector<std::byte> bytes;
    for (const char c : absl::HexStringToBytes(hex)) bytes.push_back(static_cast<std::byte>(c));
    return bytes;
  }

  // A message of a frame around `body`, from identity.
  static std::vector<std::byte> Message(uint32_t length, std::vector<std::byte> frame) {
    std::vector<std::byte> message = {std::byte{1}, std::byte{1}, std::byte{0}, std::byte{0}};
    for (int i = 0; i < 4; ++i) message.push_back(static_cast<std::byte>(length >> 8 * i));
    message.insert(message.end(), frame.begin(), frame.end());
    return message;
  }

  static absl::StatusCode CodeOf(const std::vector<std::byte>& message, size_t elements) {
    std::vector<float> accumulator(elements, 0.0f);
    return Make("identity+zstd")->DecodeAdd(message, 1.0f, absl::MakeSpan(accumulator)).code();
  }

  // 64 times 1.0, as libzstd 1.5.4 writes it at level 3. The second example of its spec.md.
  const std::vector<std::byte> frame_ = FromHex("28b52ffd6000005d0000200000803f0100f9294704");
};

TEST_F(Zstd, AFrameOfAnOlderVersionDecodesForEver) {
  const std::vector<float> ones(64, 1.0f);
  EXPECT_EQ(Decode(*Make("int8+zstd"), Message(256, frame_), 64), ones);
}

TEST_F(Zstd, WhatHasAPatternShrinksAndWhatHasNoneGrowsByEightBytes) {
  std::mt19937_64 random(11);
  const std::vector<float> same(10000, 0.25f);
  EXPECT_LT(Encode(*Make("identity+zstd"), same).size(), 200u);
  std::vector<float> noise(10000);
  for (float& value : noise) {
    value = static_cast<float>(static_cast<int32_t>(random() >> 32)) * 0x1p-31f;
  }
  const std::vector<std::byte> plain = Encode(*Make("int8:block=16"), noise);
  EXPECT_LE(Encode(*Make("int8:block=16+zstd"), noise).size(), plain.size() + 8);
}

TEST_F(Zstd, IsAsLosslessAndAsDenseAsWhatIsInside) {
  EXPECT_TRUE(Make("identity+zstd")->info().lossless);
  EXPECT_FALSE(Make("int8+zstd")->info().lossless);
  EXPECT_TRUE(Make("int8+zstd")->info().dense);
  EXPECT_FALSE(Make("topk+zstd")->info().dense);
  EXPECT_EQ(Make("int8+zstd")->info().spec, "int8:block=256+zstd:level=3");
}

TEST_F(Zstd, ParametersOutOfRangeAreRefused) {
  for (const char* bad : {"int8+zstd:level=0", "int8+zstd:level=20", "int8+zstd:level=x"}) {
    EXPECT_EQ(BuiltinCodecs().Create(bad).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
}

TEST_F(Zstd, NeverWrapsItself) {
  EXPECT_EQ(BuiltinCodecs().Create("int8+zstd+zstd").status().code(),
            absl::StatusCode::kInvalidArgument);
  std::vector<std::byte> nested = Message(16, FromHex("0100000008000000"));
  nested[0] = std::byte{10};
  EXPECT_EQ(CodeOf(nested, 2), absl::StatusCode::kInvalidArgument);
}

TEST_F(Zstd, AFrameThatClaimsMoreThanAnyCodecNeedsIsRefused) {
  // 64 elements: the frame is right. For fewer, identity refuses; far fewer, the wrapper does before.
  EXPECT_EQ(CodeOf(Message(256, frame_), 64), absl::StatusCode::kOk);
  EXPECT_EQ(CodeOf(Message(256, frame_), 63), absl::StatusCode::kInvalidArgument);
  const auto codec = Make("identity+zstd");
  std::vector<float> none;
  const std::vector<std::byte> huge = Encode(*codec, std::vector<float>(1 << 20, 1.0f));
  ASSERT_LT(huge.size(), 1000u);
  const absl::Status status = codec->DecodeAdd(huge, 1.0f, absl::MakeSpan(none));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("claims to hold 4194304 bytes"));
}

TEST_F(Zstd, AnythingButOneFrameOfTheStatedLengthIsRefused) {
  const auto refused = [](const std::vector<std::byte>& message) {
    return CodeOf(message, 64) == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused(Message(255, frame_)));
  EXPECT_TRUE(refused(Message(257, frame_)));
  EXPECT_TRUE(refused(Message(0, {})));
  std::vector<std::byte> twice = frame_;
  twice.insert(twice.end(), frame_.begin(), frame_.end());
  EXPECT_TRUE(refused(Message(256, twice)));
  EXPECT_TRUE(refused(Message(512, twice)));
  std::vector<std::byte> skippable = frame_;
  for (const std::byte byte : FromHex("502a4d1801000000ff")) skippable.push_back(byte);
  EXPECT_TRUE(refused(Message(256, skippable)));
  std::vector<std::byte> unknown = Message(256, frame_);
  unknown[0] = std::byte{99};
  EXPECT_TRUE(refused(unknown)) << "no codec has that wire id";
  unknown[0] = std::byte{1};
  unknown[1] = std::byte{2};
  EXPECT_TRUE(refused(unknown)) << "no form";
  unknown[1] = std::byte{1};
  unknown[3] = std::byte{1};
  EXPECT_TRUE(refused(unknown)) << "reserved bits";
}

}  // namespace
}  // namespace tideway::codec_test
