#include "compression/topk/kernel.h"

#include <algorithm>

#include "compression/topk/select.h"

namespace tideway::compression {
namespace {

// How much of the residual is written before what was selected in it is put right: stays in the
// nearest cache.
constexpr size_t kTile = 4096;

// What one chunk's cut says about the next one's: a fifth lower is nearly always low enough, and
// lets through about three times as many candidates as are needed.
constexpr uint32_t kBoundMargin = 1u << 21;

// Decoded at a time, on the stack. The accumulator's lines are asked for some batches before they
// are added to, since they lie far apart in memory that no cache holds.
constexpr size_t kBatchesAhead = 4;

struct Batch {
  uint32_t indices[kValueBatch];
  float values[kValueBatch];
  size_t count = 0;

  template <typename Reader>
  bool Read(Reader& reader, const ValueFormat& format, const std::byte* values_in, size_t k,
            size_t first, const float* accumulator) {
    count = std::min(kValueBatch, k - first);
    if (!reader.Next(count, indices)) return false;
    for (size_t i = 0; i < count; ++i) __builtin_prefetch(accumulator + indices[i], 1);
    return DecodeValues(format, values_in, k, first, count, values);
  }

  void AddTo(float* accumulator, float scale) const {
    for (size_t i = 0; i < count; ++i) accumulator[indices[i]] += scale * values[i];
  }
};

template <typename Reader, typename Layout>
bool Scatter(const Layout& layout, const ValueFormat& format, const std::byte* in, float scale,
             float* accumulator) {
  const std::byte* const values_in = in + layout.bytes();
  Reader reader(layout, in);
  Batch batches[kBatchesAhead];
  const size_t count = (layout.k + kValueBatch - 1) / kValueBatch;
  for (size_t read = 0; read < count + kBatchesAhead; ++read) {
    Batch& batch = batches[read % kBatchesAhead];
    if (read >= kBatchesAhead) batch.AddTo(accumulator, scale);
    if (read < count &&
        !batch.Read(reader, format, values_in, layout.k, read * kValueBatch, accumulator)) {
      return false;
    }
  }
  return reader.AtEnd() && ValuePaddingIsZero(format, values_in, layout.k);
}

}  // namespace

size_t RoomFor(const IndexLayout& layout) { return SelectionRoom(layout.elements, layout.k); }

size_t RoomFor(const ChunkLayout& layout) {
  return layout.k + SelectionRoom(layout.LengthAt(0), layout.CountAt(0));
}

uint32_t SelectAll(const Pushed& pushed, const IndexLayout& layout, Candidates* selected) {
  uint32_t bound = GuessBound(pushed, 0, layout.elements, layout.k, *selected);
  return SelectLargest(pushed, 0, layout.elements, layout.k, &bound, selected);
}

uint32_t SelectAll(const Pushed& pushed, const ChunkLayout& layout, Candidates* selected) {
  uint32_t largest = 0;
  uint32_t bound = 0;
  for (size_t first = 0; first < layout.elements && largest < kInfinityBits;
       first += layout.chunk()) {
    const size_t last = first + layout.LengthAt(first);
    largest = std::max(largest,
                       SelectLargest(pushed, first, last, layout.CountAt(first), &bound, selected));
    bound -= std::min(bound, kBoundMargin);
  }
  return largest;
}

void WriteResidual(const Pushed& pushed, const uint32_t* indices, const float* left, size_t k) {
  size_t rank = 0;
  for (size_t first = 0; first < pushed.elements; first += kTile) {
    const size_t last = std::min(first + kTile, pushed.elements);
    AddFeedback(PartOf(pushed, first, last - first));
    for (; rank < k && indices[rank] < last; ++rank) pushed.residual[indices[rank]] = left[rank];
  }
}

bool ScatterAdd(const IndexLayout& layout, const ValueFormat& format, const std::byte* in,
                float scale, float* accumulator) {
  return Scatter<IndexReader>(layout, format, in, scale, accumulator);
}

bool ScatterAdd(const ChunkLayout& layout, const ValueFormat& format, const std::byte* in,
                float scale, float* accumulator) {
  return Scatter<ChunkIndexReader>(layout, format, in, scale, accumulator);
}

}  // namespace tideway::compression
