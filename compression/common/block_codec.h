// BlockCodec: the adapter of a codec that gives each block of elements one fp32 scale, and each element a value of a few bits: int8,
// int4 and sign. Its bytes are
//
//   prefix   uint32: block_log2 in the lowest byte, elements mod elements_per_byte in the next; without the second, the length would
//            not tell the element counts apart that take the same number of bytes
//   scales   one per block
//   values   elements_per_byte in a byte

#ifndef TIDEWAY_COMPRESSION_COMMON_BLOCK_CODEC_H_
#define TIDEWAY_COMPRESSION_COMMON_BLOCK_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "compression/common/feedback.h"
#include "tideway/codec.h"

namespace tideway::compression {

class BlockCodec : public Codec {
 public:
  const CodecInfo& info() const final { return info_; }
  size_t Bound(size_t elements) const final;
  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const final;
  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const final;

 protected:
  BlockCodec(CodecInfo info, int block_log2, size_t elements_per_byte)
      : info_(std::move(info)), block_log2_(block_log2), elements_per_byte_(elements_per_byte) {}

 private:
  // The kernels. Returns the largest MagnitudeBits of e.
  virtual uint32_t EncodeBlocks(const Pushed& pushed, int block_log2, std::byte* scales,
                                std::byte* values) const = 0;
  // False at what no encoder writes, which the sentence names.
  virtual bool DecodeAddBlocks(const std::byte* scales, const std::byte* values, int block_log2,
                               size_t elements, float scale, float* accumulator) const = 0;
  virtual const char* refusal() const = 0;

  uint32_t Prefix(size_t elements, int block_log2) const;
  size_t ValueBytes(size_t elements) const;
  size_t EncodedBytes(size_t elements, int block_log2) const;

  const CodecInfo info_;
  const int block_log2_;
  const size_t elements_per_byte_;
};

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_COMMON_BLOCK_CODEC_H_
