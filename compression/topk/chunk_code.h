// Indices of the chunked form: every chunk of 2^chunk_log2 elements sends equally many, each as its
// place within the chunk, in chunk_log2 bits (spec.md has the grammar). Whatever bits arrive, the
// reader hands out only strictly ascending indices below n. Pure, no allocation.

#ifndef TIDEWAY_COMPRESSION_TOPK_CHUNK_CODE_H_
#define TIDEWAY_COMPRESSION_TOPK_CHUNK_CODE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "compression/topk/bit_pack.h"

namespace tideway::compression {

inline constexpr int kChunkLog2Min = 8;   // 256 elements
inline constexpr int kChunkLog2Max = 16;  // 65,536 elements

struct ChunkLayout {
  size_t elements;
  int chunk_log2;
  size_t k_per_chunk;
  size_t k;  // of all chunks

  size_t bytes() const { return BytesOfBits(uint64_t{k} * static_cast<uint64_t>(chunk_log2)); }
  size_t chunk() const { return size_t{1} << chunk_log2; }
  // The chunk that starts at `first`: the last one may be short.
  size_t LengthAt(size_t first) const { return std::min(chunk(), elements - first); }
  // A short chunk sends in proportion, rounded up: at least 1, at most all.
  size_t CountAt(size_t first) const {
    return (k_per_chunk * LengthAt(first) + chunk() - 1) >> chunk_log2;
  }
};

// REQUIRES: kChunkLog2Min <= chunk_log2 <= kChunkLog2Max, k_per_chunk <= 2^chunk_log2,
// elements < 2^32.
ChunkLayout ChunkLayoutFor(size_t elements, int chunk_log2, size_t k_per_chunk);

// Writes layout.bytes() bytes. REQUIRES: the indices of each chunk in turn, strictly ascending.
void EncodeChunkIndices(const ChunkLayout& layout, const uint32_t* indices, std::byte* out);

class ChunkIndexReader {
 public:
  // REQUIRES: layout.bytes() bytes at `in`.
  ChunkIndexReader(const ChunkLayout& layout, const std::byte* in);

  // The next `count` indices. False if the bits are no encoding. REQUIRES: not more than k in all.
  bool Next(size_t count, uint32_t* indices);

  // True if, after all k, only zero bits are left.
  bool AtEnd() const;

 private:
  const ChunkLayout layout_;
  const std::byte* const in_;
  const size_t bytes_;
  uint64_t rank_ = 0;  // indices handed out
  size_t chunk_first_ = 0;
  size_t chunk_left_;   // how many this chunk still has
  size_t chunk_least_;  // what its next place is at least
};

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_TOPK_CHUNK_CODE_H_
