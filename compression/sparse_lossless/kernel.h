// The changes from one version of a vector of words to the next, as blocks of up to 64. Pure: words
// are 2 or 4 bytes in the machine's own byte order, at any address. spec.md has the grammar.

#ifndef TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_KERNEL_H_
#define TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_KERNEL_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace tideway::compression {

inline constexpr size_t kChangesPerBlock = 64;

struct Versions {
  const std::byte* from;  // null: all zeros
  const std::byte* to;
  size_t elements;    // of each
  size_t word_bytes;  // 2 or 4
};

struct EncodedChanges {
  bool fits;  // if not, the rest says nothing
  size_t bytes;
  size_t changes;
};

// Writes the blocks of all changes, or as many as `out` has room for.
EncodedChanges EncodeChanges(const Versions& versions, absl::Span<std::byte> out);

// The words of `versions.to` as little endian bytes.
void CopyWords(const Versions& versions, std::byte* out);

struct ChangesBlock {
  size_t count;
  uint32_t positions[kChangesPerBlock];  // ascending, below the number of elements
  uint32_t steps[kChangesPerBlock];      // what to add to the word there, modulo its size; never 0
};

// Reads blocks that came from a peer. `in` must outlive the reader.
class ChangesReader {
 public:
  // REQUIRES: changes <= elements.
  ChangesReader(absl::Span<const std::byte> in, size_t changes, size_t elements, size_t word_bytes)
      : in_(in), changes_(changes), elements_(elements), word_bytes_(word_bytes) {}

  // Whether a block is still to come.
  bool More() const { return changes_ > 0; }
  // False if it is malformed. REQUIRES: More().
  bool Next(ChangesBlock& block);
  // Whether all bytes were read.
  bool AtEnd() const { return in_.empty(); }

 private:
  bool Place(const uint32_t* gaps, ChangesBlock& block);
  bool Step(const uint32_t* values, ChangesBlock& block) const;

  absl::Span<const std::byte> in_;
  size_t changes_;
  const size_t elements_;
  const size_t word_bytes_;
  size_t next_ = 0;  // the first position that may come
};

// Adds the steps of a block to words in the machine's byte order. REQUIRES: the words are there.
void ApplyChanges(const ChangesBlock& block, size_t word_bytes, std::byte* words);

// accumulator += scale * the float whose bits each step is. Returns the largest MagnitudeBits added.
uint32_t AddChanges(const ChangesBlock& block, float scale, float* accumulator);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_SPARSE_LOSSLESS_KERNEL_H_
