#include "compression/topk/chunk_code.h"

namespace tideway::compression {

ChunkLayout ChunkLayoutFor(size_t elements, int chunk_log2, size_t k_per_chunk) {
  ChunkLayout layout{elements, chunk_log2, k_per_chunk, 0};
  const size_t whole = elements >> chunk_log2;
  const size_t rest_first = whole << chunk_log2;
  layout.k = whole * k_per_chunk + (rest_first < elements ? layout.CountAt(rest_first) : 0);
  return layout;
}

void EncodeChunkIndices(const ChunkLayout& layout, const uint32_t* indices, std::byte* out) {
  const auto mask = static_cast<uint32_t>(layout.chunk() - 1);
  BitWriter writer(out);
  for (size_t rank = 0; rank < layout.k; ++rank) {
    writer.Put(indices[rank] & mask, layout.chunk_log2);
  }
  writer.Finish();
}

ChunkIndexReader::ChunkIndexReader(const ChunkLayout& layout, const std::byte* in)
    : layout_(layout),
      in_(in),
      bytes_(layout.bytes()),
      chunk_left_(layout.CountAt(0)),
      chunk_least_(0) {}

bool ChunkIndexReader::Next(size_t count, uint32_t* indices) {
  const auto width = static_cast<uint64_t>(layout_.chunk_log2);
  for (size_t i = 0; i < count; ++i, ++rank_, --chunk_left_) {
    if (chunk_left_ == 0) {
      chunk_first_ += layout_.chunk();
      chunk_left_ = layout_.CountAt(chunk_first_);
      chunk_least_ = 0;
    }
    const auto place =
        static_cast<size_t>(ReadBits(in_, bytes_, rank_ * width, layout_.chunk_log2));
    if (place < chunk_least_ || place >= layout_.LengthAt(chunk_first_)) return false;
    chunk_least_ = place + 1;
    indices[i] = static_cast<uint32_t>(chunk_first_ + place);
  }
  return true;
}

bool ChunkIndexReader::AtEnd() const {
  return UnusedBitsAreZero(in_, bytes_, layout_.k * static_cast<uint64_t>(layout_.chunk_log2));
}

}  // namespace tideway::compression
