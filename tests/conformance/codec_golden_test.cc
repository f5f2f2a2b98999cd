// The formats are frozen: what was once written to a log or sent by an older worker must decode for
// ever. The small vectors are the worked examples of each codec's spec.md, derived by hand; the
// sums pin the rest.

#include <cstdint>
#include <ios>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "tests/conformance/codec_values.h"

namespace tideway::codec_test {
namespace {

struct Golden {
  const char* spec;
  std::vector<float> delta;
  const char* hex;
  std::vector<float> decoded;
};

const std::vector<Golden>& AllExamples() {
  static const auto* const examples = new std::vector<Golden>{
      {"identity", {}, "", {}},
      {"identity", {1.0f, -2.5f}, "0000803f000020c0", {1.0f, -2.5f}},
      {"bf16", {}, "", {}},
      {"bf16",
       {1.0f, -2.5f, 1.00390625f, 1.01171875f},
       "803f20c0803f823f",
       {1.0f, -2.5f, 1.0f, 1.015625f}},
      {"int8:block=16", {}, "04000000", {}},
      {"int8:block=16",
       {127.0f, -1.5f, 0.5f, 2.5f, -64.0f},
       "040000000000803f7ffe0002c0",
       {127.0f, -2.0f, 0.0f, 2.0f, -64.0f}},
      {"fp16", {}, "00000000", {}},
      {"fp16",
       {1.0f, -2.5f, 0x1p-24f, 65519.0f, 0x1p-25f},
       "00000000003c00c10100ff7b0000",
       {1.0f, -2.5f, 0x1p-24f, 65504.0f, 0.0f}},
      {"fp16", {131072.0f, -1.0f}, "02000000007800b4", {131072.0f, -1.0f}},
      {"int4:block=16", {}, "04000000", {}},
      {"int4:block=16",
       {7.0f, -1.5f, 0.5f, 2.5f, -4.0f},
       "040100000000803fe7200c",
       {7.0f, -2.0f, 0.0f, 2.0f, -4.0f}},
      {"sign:block=16", {}, "04000000", {}},
      {"sign:block=16",
       {1.0f, -2.0f, 0.5f, 0.5f, -1.0f},
       "040500000000803f12",
       {1.0f, -1.0f, 1.0f, 1.0f, -1.0f}},
      {"topk", {}, "020800000000000000000000", {}},
      {"topk:density=0.25,values=int8,block=16",
       {0.1f, -4.0f, 0.0f, 2.0f, 0.0f, 0.0f, 127.0f, -1.0f},
       "0204000008000000020000000903"
       "0000803ffc7f",
       {0, -4.0f, 0, 0, 0, 0, 127.0f, 0}},
      {"topk:density=0.25,values=bf16",
       {0.1f, -4.0f, 0.0f, 2.0f, 0.0f, 0.0f, 127.0f, -1.0f},
       "0100000008000000020000000903"
       "80c0fe42",
       {0, -4.0f, 0, 0, 0, 0, 127.0f, 0}},
      {"topk:density=0.25,values=fp32",
       {0.1f, -4.0f, 0.0f, 2.0f, 0.0f, 0.0f, 127.0f, -1.0f},
       "0000000008000000020000000903"
       "000080c00000fe42",
       {0, -4.0f, 0, 0, 0, 0, 127.0f, 0}},
      {"sparse_lossless", {}, "0004000000000000", {}},
      {"sparse_lossless", {1.0f, -2.5f}, "00040000020000000000803f000020c0", {1.0f, -2.5f}},
      {"sparse_lossless",
       {0, 0, 0, 1.0f, 0, 0, 0, 0},
       "010400000800000001000000"
       "021f03ffffff7e",
       {0, 0, 0, 1.0f, 0, 0, 0, 0}},
      {"identity+zstd", {1.0f, -2.5f}, "01000000080000000000803f000020c0", {1.0f, -2.5f}},
      {"truncate", {}, "02", {}},
      {"truncate", {1.0f, -2.5f, 1.00390625f}, "02803f20c0803f", {1.0f, -2.5f, 1.0f}},
      {"truncate:keep=3", {1.0f, -2.5f}, "0300803f0020c0", {1.0f, -2.5f}},
      {"topk:chunk=256,density=0.25,values=int4,block=16", {}, "030408000000000000000000", {}},
      {"topk:chunk=256,density=0.25,values=int4,block=16",
       {0.1f, -4.0f, 0.0f, 2.0f, 0.0f, 0.0f, 7.0f, -1.0f},
       "03040800080000004000000001060000803f7c",
       {0, -4.0f, 0, 0, 0, 0, 7.0f, 0}},
      {"topk:density=0.25,values=int2,block=16",
       {0.1f, -4.0f, 0.0f, 2.0f, 0.0f, 0.0f, 7.0f, -1.0f},
       "04040000080000000200000009038040e04006",
       {0, -4.0f, 0, 0, 0, 0, 7.0f, 0}},
      {"randomk", {}, "0208000000000000000000000000000000000000", {}},
      {"randomk:density=0.25,values=bf16",
       {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f},
       "010000000800000002000000c7006d90f25df1cd4040a040",
       {0, 0, 3.0f, 0, 5.0f, 0, 0, 0}},
  };
  return *examples;
}

// Those of codecs that this build was made with.
std::vector<Golden> Examples() {
  std::vector<Golden> examples = AllExamples();
  std::erase_if(examples, [](const Golden& example) {
    return absl::IsUnavailable(TestCodecs().Create(example.spec).status());
  });
  return examples;
}

std::string Hex(const std::vector<std::byte>& bytes) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::vector<std::byte> FromHex(const char* hex) {
  const std::string text = absl::HexStringToBytes(hex);
  std::vector<std::byte> bytes;
  for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

uint64_t Fnv1a(const std::vector<std::byte>& bytes) {
  uint64_t sum = 0xcbf29ce484222325;
  for (const std::byte byte : bytes) sum = (sum ^ std::to_integer<uint64_t>(byte)) * 0x100000001b3;
  return sum;
}

TEST(CodecFormats, TheWorkedExamplesEncodeToTheirBytes) {
  for (const Golden& example : Examples()) {
    EXPECT_EQ(Hex(Encode(*Make(example.spec), example.delta)), example.hex) << example.spec;
  }
}

TEST(CodecFormats, TheWorkedExamplesDecodeFromTheirBytes) {
  for (const Golden& example : Examples()) {
    EXPECT_EQ(Decode(*Make(example.spec), FromHex(example.hex), example.delta.size()),
              example.decoded)
        << example.spec;
  }
}

TEST(CodecFormats, LongerVectorsKeepTheirSums) {
  const struct {
    const char* spec;
    uint64_t sum;
  } sums[] = {
      {"identity", 0x9d8c9aaa3f803d36},
      {"bf16", 0x55cb778a86de3d6a},
      {"int8", 0x362975f87d610f24},
      {"int8:block=16", 0x7a607666789d9e8c},
      {"int8:rounding=stochastic,seed=7", 0x7dc6e880e4de1b51},
      {"fp16", 0x1df1765a4ce8ae4b},
      {"int4", 0xef4b7d8f8c825870},
      {"int4:block=16", 0x3b55b2419fb2ba3e},
      {"sign", 0x85a99615a50a233c},
      {"sign:block=16", 0x2149ff7064cd2e05},
      {"topk", 0xec84c84f610591fe},
      {"topk:density=0.1,values=bf16", 0x66c8754f0934802d},
      {"topk:density=0.6,values=fp32", 0xd3d78e727ba1fff8},
      {"sparse_lossless", 0x99114a10fe8c708e},
      {"topk:density=0.1,values=int4,block=32", 0x11d7553bf8ad4607},
      {"topk:density=0.1,values=int2,block=64", 0x2a2331345730b94d},
      {"topk:chunk=4096,density=0.015625,values=int2,block=64", 0x4b3912f74b13631f},
      {"topk:chunk=256,density=0.05,values=bf16", 0xfd4f998d7ba87047},
      {"randomk", 0x97d4d84a62aa248f},
      {"randomk:density=0.1,seed=7,values=bf16", 0x6c29ba697a7dbf82},
  };
  for (const auto& [spec, sum] : sums) {
    const auto codec = Make(spec);
    std::mt19937_64 random(42);
    std::vector<std::byte> all;
    for (const Kind kind : kKinds) {
      const std::vector<std::byte> bytes = Encode(*codec, Values(kind, 5000, random));
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    EXPECT_EQ(Fnv1a(all), sum) << spec << " 0x" << std::hex << Fnv1a(all);
  }
}

TEST(CodecFormats, EveryCodecOfTheListHasAnExample) {
  std::set<uint8_t> with_example;
  for (const Golden& example : Examples()) with_example.insert(Make(example.spec)->info().wire_id);
  for (const std::string& spec : AllSpecs()) {
    EXPECT_EQ(with_example.count(Make(spec)->info().wire_id), 1u) << spec << " has no golden bytes";
  }
}

}  // namespace
}  // namespace tideway::codec_test
