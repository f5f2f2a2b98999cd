#include "compression/topk/kernel.h"

#include <algorithm>

#include "compression/common/block_scale.h"
#include "compression/common/float_bits.h"

namespace tideway::compression {
namespace {

constexpr size_t kBatch = 256;  // decoded at a time, on the stack

void EncodeFp32(const float* values, const uint32_t* indices, size_t k, std::byte* out,
                float* residual) {
  for (size_t rank = 0; rank < k; ++rank) {
    StoreLittleEndian(BitsOf(values[indices[rank]]), out + 4 * rank);
    if (residual != nullptr) residual[indices[rank]] = 0.0f;
  }
}

void EncodeBf16(const float* values, const uint32_t* indices, size_t k, std::byte* out,
                float* residual) {
  for (size_t rank = 0; rank < k; ++rank) {
    const float value = values[indices[rank]];
    const uint16_t half = RoundToBf16(value);
    StoreLittleEndian(half, out + 2 * rank);
    if (residual != nullptr) residual[indices[rank]] = value - FromBf16(half);
  }
}

void EncodeInt8Block(const float* values, const uint32_t* indices, size_t k, std::byte* scale_out,
                     std::byte* out, float* residual) {
  uint32_t largest = 0;
  for (size_t rank = 0; rank < k; ++rank) {
    largest = std::max(largest, MagnitudeBits(values[indices[rank]]));
  }
  const float scale = ScaleFor(largest);
  const float reciprocal = ReciprocalOf(scale);
  StoreLittleEndian(BitsOf(scale), scale_out);
  for (size_t rank = 0; rank < k; ++rank) {
    const float value = values[indices[rank]];
    const int32_t q = Quantize(value, reciprocal);
    out[rank] = static_cast<std::byte>(q);
    if (residual != nullptr) residual[indices[rank]] = value - static_cast<float>(q) * scale;
  }
}

bool DecodeFp32(const std::byte* in, size_t first, size_t count, float* values) {
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    values[i] = FloatOf(LoadLittleEndian<uint32_t>(in + 4 * (first + i)));
    largest = std::max(largest, MagnitudeBits(values[i]));
  }
  return largest < kInfinityBits;
}

bool DecodeBf16(const std::byte* in, size_t first, size_t count, float* values) {
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    values[i] = FromBf16(LoadLittleEndian<uint16_t>(in + 2 * (first + i)));
    largest = std::max(largest, MagnitudeBits(values[i]));
  }
  return largest < kInfinityBits;
}

bool DecodeInt8(const std::byte* in, int block_log2, size_t k, size_t first, size_t count,
                float* values) {
  const std::byte* const quantized = in + 4 * BlockCount(k, block_log2);
  for (size_t i = 0; i < count; ++i) {
    const size_t rank = first + i;
    const auto scale_bits = LoadLittleEndian<uint32_t>(in + 4 * (rank >> block_log2));
    const auto q = static_cast<int8_t>(quantized[rank]);
    if (!IsScale(scale_bits) || q == -128) return false;
    values[i] = static_cast<float>(q) * FloatOf(scale_bits);
  }
  return true;
}

bool DecodeValues(const ValueFormat& format, const std::byte* in, size_t k, size_t first,
                  size_t count, float* values) {
  switch (format.kind) {
    case ValueKind::kFp32:
      return DecodeFp32(in, first, count, values);
    case ValueKind::kBf16:
      return DecodeBf16(in, first, count, values);
    case ValueKind::kInt8:
      return DecodeInt8(in, format.block_log2, k, first, count, values);
  }
  return false;
}

}  // namespace

size_t ValueBytes(const ValueFormat& format, size_t k) {
  switch (format.kind) {
    case ValueKind::kFp32:
      return 4 * k;
    case ValueKind::kBf16:
      return 2 * k;
    case ValueKind::kInt8:
      return 4 * BlockCount(k, format.block_log2) + k;
  }
  return 0;
}

void EncodeValues(const ValueFormat& format, const float* values, const uint32_t* indices, size_t k,
                  std::byte* out, float* residual) {
  switch (format.kind) {
    case ValueKind::kFp32:
      return EncodeFp32(values, indices, k, out, residual);
    case ValueKind::kBf16:
      return EncodeBf16(values, indices, k, out, residual);
    case ValueKind::kInt8:
      break;
  }
  const size_t block = size_t{1} << format.block_log2;
  std::byte* const quantized = out + 4 * BlockCount(k, format.block_log2);
  for (size_t first = 0; first < k; first += block) {
    EncodeInt8Block(values, indices + first, std::min(block, k - first),
                    out + 4 * (first >> format.block_log2), quantized + first, residual);
  }
}

bool ScatterAdd(const IndexLayout& layout, const ValueFormat& format, const std::byte* in,
                float scale, float* accumulator) {
  uint32_t indices[kBatch];
  float values[kBatch];
  IndexReader reader(layout, in);
  for (size_t first = 0; first < layout.k; first += kBatch) {
    const size_t count = std::min(kBatch, layout.k - first);
    if (!reader.Next(count, indices)) return false;
    if (!DecodeValues(format, in + layout.bytes(), layout.k, first, count, values)) return false;
    for (size_t i = 0; i < count; ++i) accumulator[indices[i]] += scale * values[i];
  }
  return reader.AtEnd();
}

}  // namespace tideway::compression
