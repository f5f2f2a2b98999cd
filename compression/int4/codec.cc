// int4: two values per byte, blockwise absmax scale. See spec.md.

#include <memory>

#include "absl/strings/str_cat.h"
#include "compression/common/block_codec.h"
#include "compression/common/checks.h"
#include "compression/int4/kernel.h"
#include "tideway/codec.h"

namespace tideway::codec_int4 {
namespace {

class Int4Codec final : public compression::BlockCodec {
 public:
  Int4Codec(int block_log2, uint8_t wire_id)
      : BlockCodec({.name = "int4",
                    .spec = absl::StrCat("int4:block=", 1 << block_log2),
                    .wire_id = wire_id},
                   block_log2, 2) {}

 private:
  uint32_t EncodeBlocks(const compression::Pushed& pushed, int block_log2, std::byte* scales,
                        std::byte* values) const override {
    return compression::EncodeInt4(pushed, block_log2, scales, values);
  }
  bool DecodeAddBlocks(const std::byte* scales, const std::byte* values, int block_log2,
                       size_t elements, float scale, float* accumulator) const override {
    return compression::DecodeAddInt4(scales, values, block_log2, elements, scale, accumulator);
  }
  const char* refusal() const override { return "a scale or a value is out of range"; }
};

}  // namespace

// Called by compression/builtin_codecs.cc, which declares it for every line of THE LIST.
absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t wire_id) {
  SpecReader reader(spec);
  const absl::StatusOr<int> block_log2 = compression::ReadBlockLog2(reader);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  if (!block_log2.ok()) return block_log2.status();
  return std::make_unique<Int4Codec>(*block_log2, wire_id);
}

}  // namespace tideway::codec_int4
