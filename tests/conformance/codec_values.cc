#include "tests/conformance/codec_values.h"

#include <bit>
#include <cfloat>

#include "absl/strings/ascii.h"
#include "gtest/gtest.h"
#include "tideway/load_codec_module.h"

namespace tideway::codec_test {
namespace {

const std::vector<std::string>& SpecsWithParameters() {
  static const auto* const specs = new std::vector<std::string>{
      "int8:block=16",
      "int8:block=64",
      "int8:block=65536",
      "int8:rounding=stochastic",
      "int8:block=16,rounding=stochastic,seed=7",
      "int4:block=16",
      "int4:block=1024",
      "sign:block=16",
      "sign:block=65536",
      "topk:density=0.01,values=fp32",
      "topk:density=0.1,values=bf16",
      "topk:density=0.25,values=int8,block=16",
      "topk:density=1,values=fp32",
      "topk:density=0.000001",
      "topk:density=0.1,values=int4",
      "topk:density=0.25,values=int4,block=16",
      "topk:density=0.1,values=int2",
      "topk:density=1,values=int2,block=16",
      "topk:chunk=256,density=0.05,values=int4,block=16",
      "topk:chunk=4096,density=0.015625,values=int2,block=64",
      "topk:chunk=65536,density=0.01,values=bf16",
      "topk:chunk=256,density=1,values=fp32",
      "randomk:density=0.1,values=fp32",
      "randomk:density=0.5,values=bf16,seed=7",
      "randomk:density=0.25,values=int4,block=16",
      "randomk:density=1,values=int2,block=16",
  };
  return *specs;
}

// In -1..1, with no library function whose last bit differs between machines.
float Signed(std::mt19937_64& random) {
  return static_cast<float>(static_cast<int32_t>(random() >> 40) - (1 << 23)) * 0x1p-23f;
}

// Roughly bell-shaped, so that a few elements stand out.
float Bell(std::mt19937_64& random) {
  float sum = 0;
  for (int i = 0; i < 4; ++i) sum += Signed(random);
  return sum * sum * sum * 0.001f;
}

float AnyExponent(std::mt19937_64& random) {
  const auto bits = static_cast<uint32_t>(random());
  // Up to 2^126, so that delta plus residual stays finite.
  const uint32_t exponent = (bits >> 23 & 0xff) % 253;
  return std::bit_cast<float>((bits & 0x807fffffu) | exponent << 23);
}

float Value(Kind kind, size_t i, std::mt19937_64& random) {
  switch (kind) {
    case Kind::kNormal:
      return Bell(random);
    case Kind::kZeros:
      return random() & 1 ? 0.0f : -0.0f;
    case Kind::kEqual:
      return random() & 1 ? 0.37f : -0.37f;
    case Kind::kDenormal:
      return Signed(random) * 0x1p-127f;
    case Kind::kHuge:
      return i % 7 == 0 ? (random() & 1 ? FLT_MAX / 2 : -FLT_MAX / 2) : Signed(random) * 0x1p+126f;
    case Kind::kAnyExponent:
      return AnyExponent(random);
    case Kind::kSpike:
      return i % 97 == 41 ? Signed(random) * 0x1p+40f : Signed(random) * 0x1p-20f;
    case Kind::kSmallBlock:
      return i % 512 < 256 ? Signed(random) * 0x1p-99f : Signed(random);
  }
  return 0;
}

}  // namespace

std::vector<std::string> AllSpecs() {
  std::vector<std::string> specs = {
#define TIDEWAY_CODEC(name, wire_id) #name,
#define TIDEWAY_CODEC_WRAPPER(name, wire_id) \
  "identity+" #name, "int8:block=16+" #name, "topk:density=0.25+" #name, "sparse_lossless+" #name,
#define TIDEWAY_CODEC_MISSING(name, wire_id, is_wrapper, reason)
#include "tideway/codecs.def"
#undef TIDEWAY_CODEC
#undef TIDEWAY_CODEC_WRAPPER
#undef TIDEWAY_CODEC_MISSING
  };
  specs.insert(specs.end(), SpecsWithParameters().begin(), SpecsWithParameters().end());
  specs.insert(specs.end(), {"truncate", "truncate:keep=3"});
  return specs;
}

CodecRegistry TestCodecs() {
  CodecRegistry registry = BuiltinCodecs();
  const absl::Status loaded = LoadCodecModule(TIDEWAY_EXAMPLE_CODEC, registry);
  EXPECT_TRUE(loaded.ok()) << loaded;
  return registry;
}

std::string TestName(const testing::TestParamInfo<std::string>& param) {
  std::string name = param.param;
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

std::unique_ptr<Codec> Make(const std::string& spec) {
  auto codec = TestCodecs().Create(spec);
  EXPECT_TRUE(codec.ok()) << spec << ": " << codec.status();
  return codec.ok() ? *std::move(codec) : nullptr;
}

std::unique_ptr<Codec> MakeDecoder(uint8_t wire_id) {
  auto codec = TestCodecs().CreateForWireId(wire_id);
  EXPECT_TRUE(codec.ok()) << codec.status();
  return codec.ok() ? *std::move(codec) : nullptr;
}

std::vector<float> Values(Kind kind, size_t elements, std::mt19937_64& random) {
  std::vector<float> values(elements);
  for (size_t i = 0; i < elements; ++i) values[i] = Value(kind, i, random);
  return values;
}

std::vector<std::byte> Encode(const Codec& codec, const std::vector<float>& delta,
                              std::vector<float>* residual, float decay) {
  std::vector<std::byte> out(codec.Bound(delta.size()));
  const auto bytes =
      codec.Encode(delta, residual == nullptr ? absl::Span<float>() : absl::MakeSpan(*residual),
                   {.residual_decay = decay}, absl::MakeSpan(out));
  EXPECT_TRUE(bytes.ok()) << codec.info().spec << ": " << bytes.status();
  if (!bytes.ok()) return {};
  EXPECT_LE(*bytes, out.size()) << codec.info().spec;
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*bytes)};
}

std::vector<float> Decode(const Codec& codec, const std::vector<std::byte>& in, size_t elements) {
  std::vector<float> decoded(elements, 0.0f);
  const absl::Status status = codec.DecodeAdd(in, 1.0f, absl::MakeSpan(decoded));
  EXPECT_TRUE(status.ok()) << codec.info().spec << ": " << status;
  return decoded;
}

}  // namespace tideway::codec_test
