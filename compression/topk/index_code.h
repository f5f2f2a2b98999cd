// Ascending indices in about 2 + log2(n / k) bits each (Elias-Fano; spec.md has the grammar). The
// size depends on n and k alone, and whatever bits arrive, the reader hands out only strictly
// ascending indices below n. Pure: pointers and sizes, no allocation.

#ifndef TIDEWAY_COMPRESSION_TOPK_INDEX_CODE_H_
#define TIDEWAY_COMPRESSION_TOPK_INDEX_CODE_H_

#include <cstddef>
#include <cstdint>

namespace tideway::compression {

// x = index - rank ascends within 0..n-k. Its upper part is coded in unary in one bit vector, its
// lower `low_bits` bits stand packed in another.
struct IndexLayout {
  size_t elements;
  size_t k;
  int low_bits;
  size_t high_bytes;
  size_t low_bytes;

  size_t bytes() const { return high_bytes + low_bytes; }
};

// REQUIRES: k <= elements < 2^32, and k >= 1 unless elements is 0.
IndexLayout LayoutFor(size_t elements, size_t k);

// Writes layout.bytes() bytes. REQUIRES: layout.k strictly ascending indices below layout.elements.
void EncodeIndices(const IndexLayout& layout, const uint32_t* indices, std::byte* out);

class IndexReader {
 public:
  // REQUIRES: layout.bytes() bytes at `in`.
  IndexReader(const IndexLayout& layout, const std::byte* in);

  // The next `count` indices. False if the bits are no encoding. REQUIRES: not more than k in all.
  bool Next(size_t count, uint32_t* indices);

  // True if, after all k, only zero bits are left.
  bool AtEnd() const;

 private:
  // The upper parts of the next `count` values of x.
  bool ReadUpper(size_t count, uint32_t* uppers);

  const IndexLayout layout_;
  const std::byte* const high_;
  const std::byte* const low_;
  uint64_t word_ = 0;          // what is left of the current 64 bits of the upper parts
  size_t next_byte_ = 0;       // where the next 64 bits start
  uint64_t rank_ = 0;          // indices handed out
  uint64_t last_shifted_ = 0;  // the last x
};

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_TOPK_INDEX_CODE_H_
