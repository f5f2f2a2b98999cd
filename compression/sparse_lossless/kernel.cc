#include "compression/sparse_lossless/kernel.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "compression/common/float_bits.h"
#include "compression/sparse_lossless/compare.h"
#include "compression/sparse_lossless/packed.h"

namespace tideway::compression {
namespace {

constexpr size_t kBlockHeaderBytes = 2;
// So many masks of 64 words that both versions' words stay in the first cache until the changes are taken.
constexpr size_t kMasksAtOnce = 32;

template <typename Word>
Word LoadWord(const std::byte* words, size_t i) {
  Word word;
  std::memcpy(&word, words + i * sizeof(Word), sizeof(Word));
  return word;
}

template <typename Word>
void StoreWord(Word word, std::byte* words, size_t i) {
  std::memcpy(words + i * sizeof(Word), &word, sizeof(Word));
}

// Small steps up and down become small numbers. A step is never 0, so numbers start at 0.
template <typename Word>
uint32_t NumberOf(Word step) {
  constexpr int kSign = 8 * sizeof(Word) - 1;
  const auto down = static_cast<Word>(0 - (step >> kSign));
  return static_cast<Word>(static_cast<Word>(static_cast<Word>(step << 1) ^ down) - 1);
}

// NumberOf of every step is below the largest of the word's size: that would be step 0.
uint32_t NumbersLimit(size_t word_bytes) { return word_bytes == 2 ? 0xffffu : 0xffffffffu; }

// As 32 bits; the caller cuts it to its word.
uint32_t StepOf(uint32_t number) {
  const uint32_t folded = number + 1;
  return (folded >> 1) ^ (0 - (folded & 1));
}

class BlockWriter {
 public:
  explicit BlockWriter(absl::Span<std::byte> out) : out_(out) {}

  size_t bytes() const { return at_; }

  // False if there is no room for it.
  bool Write(const uint32_t* gaps, const uint32_t* numbers, size_t count) {
    const int gap_bits = BitsOfLargest(gaps, count);
    const int number_bits = BitsOfLargest(numbers, count);
    const size_t gap_bytes = PackedBytes(count, gap_bits);
    const size_t bytes = kBlockHeaderBytes + gap_bytes + PackedBytes(count, number_bits);
    if (bytes > out_.size() - at_) return false;
    std::byte* const to = out_.data() + at_;
    to[0] = static_cast<std::byte>(gap_bits);
    to[1] = static_cast<std::byte>(number_bits);
    Pack(gaps, count, gap_bits, to + kBlockHeaderBytes);
    Pack(numbers, count, number_bits, to + kBlockHeaderBytes + gap_bytes);
    at_ += bytes;
    return true;
  }

 private:
  const absl::Span<std::byte> out_;
  size_t at_ = 0;
};

// Changes that wait until a block is full.
template <typename Word, bool kFromZeros>
class Collector {
 public:
  Collector(const Versions& versions, BlockWriter& writer) : versions_(versions), writer_(writer) {}

  size_t changes() const { return changes_; }

  // The words from `first` on that `mask` says have changed.
  bool TakeMask(size_t first, uint64_t mask) {
    if (std::popcount(mask) > kDense) return Take(first, first + kWordsPerMask);
    for (; mask != 0; mask &= mask - 1) {
      const size_t i = first + static_cast<size_t>(std::countr_zero(mask));
      gaps_[waiting_] = static_cast<uint32_t>(i - next_);
      numbers_[waiting_++] = NumberOf<Word>(StepAt(i));
      next_ = i + 1;
    }
    return waiting_ < kChangesPerBlock || Flush();
  }

  // Without a branch on whether a word has changed: where many have, that is hard to foresee.
  // REQUIRES: last - first <= kWordsPerMask.
  bool Take(size_t first, size_t last) {
    for (size_t i = first; i < last; ++i) {
      const Word step = StepAt(i);
      gaps_[waiting_] = static_cast<uint32_t>(i - next_);
      numbers_[waiting_] = NumberOf<Word>(step);
      waiting_ += step != 0 ? 1 : 0;
      next_ = step != 0 ? i + 1 : next_;
    }
    return waiting_ < kChangesPerBlock || Flush();
  }

  bool Flush() {
    const size_t count = std::min(waiting_, kChangesPerBlock);
    if (count == 0) return true;
    if (!writer_.Write(gaps_, numbers_, count)) return false;
    changes_ += count;
    waiting_ -= count;
    std::copy_n(gaps_ + count, waiting_, gaps_);
    std::copy_n(numbers_ + count, waiting_, numbers_);
    return true;
  }

 private:
  // From so many changes of 64 words on, going over all of them is the quicker way.
  static constexpr int kDense = 24;

  Word StepAt(size_t i) const {
    const Word from = kFromZeros ? Word{0} : LoadWord<Word>(versions_.from, i);
    return static_cast<Word>(LoadWord<Word>(versions_.to, i) - from);
  }

  const Versions& versions_;
  BlockWriter& writer_;
  size_t changes_ = 0;
  size_t next_ = 0;  // the first position behind the last change
  size_t waiting_ = 0;
  // Fewer than a block wait before further 64 words are taken.
  uint32_t gaps_[kChangesPerBlock + kWordsPerMask];
  uint32_t numbers_[kChangesPerBlock + kWordsPerMask];
};

template <typename Word, bool kFromZeros>
EncodedChanges Encode(const Versions& versions, absl::Span<std::byte> out) {
  BlockWriter writer(out);
  Collector<Word, kFromZeros> collector(versions, writer);
  uint64_t masks[kMasksAtOnce];
  size_t first = 0;
  while (versions.elements - first >= kWordsPerMask) {
    const size_t count = std::min(kMasksAtOnce, (versions.elements - first) / kWordsPerMask);
    CompareWords(versions, first, count, masks);
    for (size_t m = 0; m < count; ++m, first += kWordsPerMask) {
      if (masks[m] != 0 && !collector.TakeMask(first, masks[m])) return {};
    }
  }
  if (!collector.Take(first, versions.elements) || !collector.Flush()) return {};
  return {true, writer.bytes(), collector.changes()};
}

template <typename Word>
void Copy(const Versions& versions, std::byte* __restrict out) {
  for (size_t i = 0; i < versions.elements; ++i) {
    StoreLittleEndian(LoadWord<Word>(versions.to, i), out + i * sizeof(Word));
  }
}

template <typename Word>
void Apply(const ChangesBlock& block, std::byte* words) {
  for (size_t i = 0; i < block.count; ++i) {
    const size_t at = block.positions[i];
    StoreWord(static_cast<Word>(LoadWord<Word>(words, at) + static_cast<Word>(block.steps[i])),
              words, at);
  }
}

}  // namespace

EncodedChanges EncodeChanges(const Versions& versions, absl::Span<std::byte> out) {
  if (versions.word_bytes == 2) {
    return versions.from == nullptr ? Encode<uint16_t, true>(versions, out)
                                    : Encode<uint16_t, false>(versions, out);
  }
  return versions.from == nullptr ? Encode<uint32_t, true>(versions, out)
                                  : Encode<uint32_t, false>(versions, out);
}

void CopyWords(const Versions& versions, std::byte* out) {
  if (versions.word_bytes == 2) return Copy<uint16_t>(versions, out);
  Copy<uint32_t>(versions, out);
}

bool ChangesReader::Next(ChangesBlock& block) {
  if (in_.size() < kBlockHeaderBytes) return false;
  const int gap_bits = std::to_integer<int>(in_[0]);
  const int number_bits = std::to_integer<int>(in_[1]);
  if (gap_bits > 32 || number_bits > static_cast<int>(8 * word_bytes_)) return false;
  block.count = std::min(changes_, kChangesPerBlock);
  const size_t gap_bytes = PackedBytes(block.count, gap_bits);
  const size_t bytes = kBlockHeaderBytes + gap_bytes + PackedBytes(block.count, number_bits);
  if (in_.size() < bytes) return false;
  uint32_t gaps[kChangesPerBlock];
  uint32_t numbers[kChangesPerBlock];
  if (!Unpack(in_.data() + kBlockHeaderBytes, block.count, gap_bits, gaps) ||
      !Unpack(in_.data() + kBlockHeaderBytes + gap_bytes, block.count, number_bits, numbers)) {
    return false;
  }
  in_.remove_prefix(bytes);
  changes_ -= block.count;
  return Place(gaps, block) && Step(numbers, block);
}

// Positions are below 2^32 and so are gaps: their sum cannot wrap in 64 bits.
bool ChangesReader::Place(const uint32_t* gaps, ChangesBlock& block) {
  static_assert(sizeof(size_t) == 8);
  for (size_t i = 0; i < block.count; ++i) {
    const size_t position = next_ + gaps[i];
    if (position >= elements_) return false;
    block.positions[i] = static_cast<uint32_t>(position);
    next_ = position + 1;
  }
  return true;
}

bool ChangesReader::Step(const uint32_t* values, ChangesBlock& block) const {
  const uint32_t limit = NumbersLimit(word_bytes_);
  bool all_change = true;
  for (size_t i = 0; i < block.count; ++i) {
    all_change &= values[i] < limit;
    block.steps[i] = StepOf(values[i]);
  }
  return all_change;
}

void ApplyChanges(const ChangesBlock& block, size_t word_bytes, std::byte* words) {
  if (word_bytes == 2) return Apply<uint16_t>(block, words);
  Apply<uint32_t>(block, words);
}

uint32_t AddChanges(const ChangesBlock& block, float scale, float* accumulator) {
  uint32_t largest = 0;
  for (size_t i = 0; i < block.count; ++i) {
    const float value = FloatOf(block.steps[i]);
    largest = std::max(largest, MagnitudeBits(value));
    accumulator[block.positions[i]] += scale * value;
  }
  return largest;
}

}  // namespace tideway::compression
