// The values of the elements that a sparse codec sends, one after another, without their places: as
// fp32, bf16, or whole numbers of 8, 4 or 2 bits with scales per block of values. The byte grammar
// is in compression/topk/spec.md. Pure: pointers and sizes, no allocation.

#ifndef TIDEWAY_COMPRESSION_COMMON_SPARSE_VALUES_H_
#define TIDEWAY_COMPRESSION_COMMON_SPARSE_VALUES_H_

#include <cstddef>
#include <cstdint>

namespace tideway::compression {

// The numbers are those on the wire.
enum class ValueKind : uint8_t { kFp32 = 0, kBf16 = 1, kInt8 = 2, kInt4 = 3, kInt2 = 4 };
inline constexpr int kValueKinds = 5;

inline constexpr bool HasBlocks(ValueKind kind) { return kind >= ValueKind::kInt8; }

// How the values of a message are written. block_log2 is 0 unless the kind has blocks.
struct ValueFormat {
  ValueKind kind;
  int block_log2;
};

// Decoding starts at multiples of this many values, so that none starts within a byte.
inline constexpr size_t kValueBatch = 64;

size_t ValueBytes(const ValueFormat& format, size_t k);

// Writes ValueBytes(format, k) bytes. Each value becomes value - decoded, which is exact (spec.md
// says why). REQUIRES: finite values.
void EncodeValues(const ValueFormat& format, float* values, size_t k, std::byte* out);

// Reads the values first..first+count-1 of k. False if a scale or a value is none that EncodeValues
// writes. REQUIRES: ValueBytes(format, k) bytes; first is a multiple of kValueBatch.
bool DecodeValues(const ValueFormat& format, const std::byte* in, size_t k, size_t first,
                  size_t count, float* values);

// True if all bits after the last value are zero. REQUIRES: ValueBytes(format, k) bytes.
bool ValuePaddingIsZero(const ValueFormat& format, const std::byte* in, size_t k);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_COMMON_SPARSE_VALUES_H_
