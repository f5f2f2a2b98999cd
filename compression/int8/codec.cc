// int8: blockwise absmax scale. See spec.md.

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "compression/common/block_codec.h"
#include "compression/common/checks.h"
#include "compression/int8/kernel.h"
#include "compression/int8/stochastic.h"
#include "tideway/codec.h"

namespace tideway::codec_int8 {
namespace {

struct Rounding {
  bool stochastic = false;
  uint64_t seed = 0;
};

std::string SpecOf(int block_log2, const Rounding& rounding) {
  return absl::StrCat(
      "int8:block=", 1 << block_log2,
      rounding.stochastic ? absl::StrCat(",rounding=stochastic,seed=", rounding.seed) : "");
}

class Int8Codec final : public compression::BlockCodec {
 public:
  Int8Codec(int block_log2, const Rounding& rounding, uint8_t wire_id)
      : BlockCodec({.name = "int8",
                    .spec = SpecOf(block_log2, rounding),
                    .wire_id = wire_id,
                    .exact_residual = !rounding.stochastic},
                   block_log2, 1),
        rounding_(rounding) {}

 private:
  uint32_t EncodeBlocks(const compression::Pushed& pushed, int block_log2, std::byte* scales,
                        std::byte* values) const override {
    if (!rounding_.stochastic) {
      return compression::EncodeInt8(pushed, block_log2, scales, values);
    }
    return compression::EncodeInt8Stochastic(pushed, block_log2, rounding_.seed, scales, values);
  }
  bool DecodeAddBlocks(const std::byte* scales, const std::byte* values, int block_log2,
                       size_t elements, float scale, float* accumulator) const override {
    return compression::DecodeAddInt8(scales, values, block_log2, elements, scale, accumulator);
  }
  const char* refusal() const override { return "a scale or a value is out of range"; }

  const Rounding rounding_;
};

Rounding ReadRounding(SpecReader& reader) {
  if (reader.Choice("rounding", "nearest", {"nearest", "stochastic"}) == "nearest") return {};
  const int64_t seed = reader.Integer("seed", 0, 0, std::numeric_limits<int64_t>::max());
  return {.stochastic = true, .seed = static_cast<uint64_t>(seed)};
}

}  // namespace

// Called by compression/builtin_codecs.cc, which declares it for every line of THE LIST.
absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t wire_id) {
  SpecReader reader(spec);
  const absl::StatusOr<int> block_log2 = compression::ReadBlockLog2(reader);
  const Rounding rounding = ReadRounding(reader);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  if (!block_log2.ok()) return block_log2.status();
  return std::make_unique<Int8Codec>(*block_log2, rounding, wire_id);
}

}  // namespace tideway::codec_int8
