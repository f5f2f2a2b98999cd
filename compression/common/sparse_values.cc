#include "compression/common/sparse_values.h"

#include <algorithm>

#include "compression/common/block_scale.h"
#include "compression/common/float_bits.h"
#include "compression/common/two_levels.h"

namespace tideway::compression {
namespace {

uint32_t LargestOf(const float* values, size_t k) {
  uint32_t largest = 0;
  for (size_t i = 0; i < k; ++i) largest = std::max(largest, MagnitudeBits(values[i]));
  return largest;
}

// --- encoding

void EncodeFp32(float* values, size_t k, std::byte* out) {
  for (size_t i = 0; i < k; ++i) {
    StoreLittleEndian(BitsOf(values[i]), out + 4 * i);
    values[i] = 0.0f;
  }
}

void EncodeBf16(float* values, size_t k, std::byte* out) {
  for (size_t i = 0; i < k; ++i) {
    const uint16_t half = RoundToBf16(values[i]);
    StoreLittleEndian(half, out + 2 * i);
    values[i] -= FromBf16(half);
  }
}

void EncodeInt8Block(float* values, size_t k, std::byte* scale_out, std::byte* out) {
  const float scale = ScaleFor(LargestOf(values, k));
  const float reciprocal = ReciprocalOf(scale);
  StoreLittleEndian(BitsOf(scale), scale_out);
  for (size_t i = 0; i < k; ++i) {
    const int32_t q = Quantize(values[i], reciprocal);
    out[i] = static_cast<std::byte>(q);
    values[i] -= static_cast<float>(q) * scale;
  }
}

void EncodeInt4Block(float* values, size_t k, std::byte* scale_out, std::byte* out) {
  const float scale = ScaleFor<7>(LargestOf(values, k));
  const float reciprocal = ReciprocalOf(scale);
  StoreLittleEndian(BitsOf(scale), scale_out);
  std::fill_n(out, (k + 1) / 2, std::byte{0});
  for (size_t i = 0; i < k; ++i) {
    const int32_t q = Quantize(values[i], reciprocal);
    out[i / 2] |= static_cast<std::byte>((static_cast<uint32_t>(q) & 15u) << 4 * (i & 1));
    values[i] -= static_cast<float>(q) * scale;
  }
}

void EncodeInt2Block(float* values, size_t k, std::byte* levels_out, std::byte* out) {
  const TwoLevels levels = LevelsFor(values, k);
  StoreLittleEndian(levels.low, levels_out);
  StoreLittleEndian(levels.high, levels_out + 2);
  const float between = Between(levels);
  std::fill_n(out, (k + 3) / 4, std::byte{0});
  for (size_t i = 0; i < k; ++i) {
    const uint32_t code = CodeOf(values[i], between);
    out[i / 4] |= static_cast<std::byte>(code << 2 * (i & 3));
    values[i] -= FromCode(levels, code);
  }
}

// --- decoding

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

bool DecodeInt8Run(const std::byte* scale_in, const std::byte* in, size_t count, float* values) {
  const auto scale_bits = LoadLittleEndian<uint32_t>(scale_in);
  const float scale = FloatOf(scale_bits);
  int32_t least = 0;
  for (size_t i = 0; i < count; ++i) {
    const int32_t q = static_cast<int8_t>(in[i]);
    least = std::min(least, q);
    values[i] = static_cast<float>(q) * scale;
  }
  return IsScale(scale_bits) && least >= -127;
}

bool DecodeInt4Run(const std::byte* scale_in, const std::byte* in, size_t count, float* values) {
  const auto scale_bits = LoadLittleEndian<uint32_t>(scale_in);
  const float scale = FloatOf(scale_bits);
  int32_t least = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t nibble = std::to_integer<uint32_t>(in[i / 2]) >> 4 * (i & 1) & 15u;
    const int32_t q = static_cast<int32_t>(nibble ^ 8u) - 8;  // sign-extended
    least = std::min(least, q);
    values[i] = static_cast<float>(q) * scale;
  }
  return IsScale<7>(scale_bits) && least >= -7;
}

bool DecodeInt2Run(const std::byte* levels_in, const std::byte* in, size_t count, float* values) {
  const TwoLevels levels{LoadLittleEndian<uint16_t>(levels_in),
                         LoadLittleEndian<uint16_t>(levels_in + 2)};
  if (!AreLevels(levels)) return false;
  for (size_t i = 0; i < count; ++i) {
    values[i] = FromCode(levels, std::to_integer<uint32_t>(in[i / 4]) >> 2 * (i & 3) & 3u);
  }
  return true;
}

// --- blocks of 4 bytes of scales each, then the values of all blocks

size_t BitsOfKind(ValueKind kind) {
  constexpr size_t kBits[kValueKinds] = {32, 16, 8, 4, 2};
  return kBits[static_cast<size_t>(kind)];
}

using EncodeBlock = void (*)(float*, size_t, std::byte*, std::byte*);
using DecodeRun = bool (*)(const std::byte*, const std::byte*, size_t, float*);

void EncodeBlocks(EncodeBlock encode, const ValueFormat& format, float* values, size_t k,
                  std::byte* out) {
  const size_t block = size_t{1} << format.block_log2;
  std::byte* const coded = out + 4 * BlockCount(k, format.block_log2);
  for (size_t first = 0; first < k; first += block) {
    encode(values + first, std::min(block, k - first), out + 4 * (first >> format.block_log2),
           coded + first * BitsOfKind(format.kind) / 8);
  }
}

bool DecodeBlocks(DecodeRun decode, const ValueFormat& format, const std::byte* in, size_t k,
                  size_t first, size_t count, float* values) {
  const size_t block = size_t{1} << format.block_log2;
  const std::byte* const coded = in + 4 * BlockCount(k, format.block_log2);
  for (size_t done = 0; done < count;) {
    const size_t at = first + done;
    const size_t run = std::min(count - done, block - (at & (block - 1)));
    if (!decode(in + 4 * (at >> format.block_log2), coded + at * BitsOfKind(format.kind) / 8, run,
                values + done)) {
      return false;
    }
    done += run;
  }
  return true;
}

}  // namespace

size_t ValueBytes(const ValueFormat& format, size_t k) {
  const size_t scales = HasBlocks(format.kind) ? 4 * BlockCount(k, format.block_log2) : 0;
  return scales + (k * BitsOfKind(format.kind) + 7) / 8;
}

void EncodeValues(const ValueFormat& format, float* values, size_t k, std::byte* out) {
  switch (format.kind) {
    case ValueKind::kFp32:
      return EncodeFp32(values, k, out);
    case ValueKind::kBf16:
      return EncodeBf16(values, k, out);
    case ValueKind::kInt8:
      return EncodeBlocks(EncodeInt8Block, format, values, k, out);
    case ValueKind::kInt4:
      return EncodeBlocks(EncodeInt4Block, format, values, k, out);
    case ValueKind::kInt2:
      return EncodeBlocks(EncodeInt2Block, format, values, k, out);
  }
}

bool DecodeValues(const ValueFormat& format, const std::byte* in, size_t k, size_t first,
                  size_t count, float* values) {
  switch (format.kind) {
    case ValueKind::kFp32:
      return DecodeFp32(in, first, count, values);
    case ValueKind::kBf16:
      return DecodeBf16(in, first, count, values);
    case ValueKind::kInt8:
      return DecodeBlocks(DecodeInt8Run, format, in, k, first, count, values);
    case ValueKind::kInt4:
      return DecodeBlocks(DecodeInt4Run, format, in, k, first, count, values);
    case ValueKind::kInt2:
      return DecodeBlocks(DecodeInt2Run, format, in, k, first, count, values);
  }
  return false;
}

bool ValuePaddingIsZero(const ValueFormat& format, const std::byte* in, size_t k) {
  const size_t used = k * BitsOfKind(format.kind) & 7;
  return used == 0 || std::to_integer<unsigned>(in[ValueBytes(format, k) - 1]) >> used == 0;
}

}  // namespace tideway::compression
