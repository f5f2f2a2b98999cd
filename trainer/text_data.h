// The text to learn: read once, split into training text, held-out text and data shards.
//
// Sources are concatenated in the order given; a folder stands for its files (recursively, hidden
// ones and those with a zero byte left out) in byte order of their paths. So the same paths give the same bytes everywhere,
// and workers on several machines only need the same files.
//
// Held out: the text is cut into kHeldOutBlocks equal blocks and the last part of each is never
// trained on. That samples the whole text, where one long tail would hold a single style. The two
// parts share no byte.
//
// Shards: contiguous, equal ranges of the training text, one per worker unless said otherwise.
//
// Immutable after Load, thus safe to share between threads.
#ifndef TIDEWAY_TRAINER_TEXT_DATA_H_
#define TIDEWAY_TRAINER_TEXT_DATA_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tideway::trainer {

inline constexpr int kHeldOutBlocks = 16;
inline constexpr size_t kTextBytesMax = size_t{2} << 30;

struct TextDataOptions {
  std::vector<std::string> paths = {};  // files or folders, plain or gzip
  double held_out_percent = 5.0;
  int shards = 1;
  int context = 64;  // bytes that a training window holds, its last target apart
};

// Row-major [rows, context]: targets are the inputs moved on by one byte.
struct Batch {
  int rows = 0;
  std::vector<int64_t> inputs;
  std::vector<int64_t> targets;
};

class TextData {
 public:
  // One sentence for each of: nothing given, a path that can't be read, a folder without text, text
  // shorter than what the context, the shards and the held-out part need, a share out of range.
  static absl::StatusOr<TextData> Load(const TextDataOptions& options);
  // The same from bytes at hand.
  static absl::StatusOr<TextData> FromText(absl::string_view text, const TextDataOptions& options);

  absl::string_view training() const { return training_; }
  absl::string_view held_out() const { return held_out_; }
  int shards() const { return options_.shards; }
  absl::string_view Shard(int shard) const;

  // `rows` windows of the shard. A pure function of the arguments and the text.
  Batch Sample(uint64_t seed, int shard, uint64_t step, int rows) const;

  // At most `rows` windows spread evenly over the held-out text; the same ones each time.
  Batch HeldOut(int rows) const;

 private:
  TextData() = default;
  void AppendWindow(absl::string_view text, size_t at, Batch* batch) const;

  TextDataOptions options_;
  std::string training_;
  std::string held_out_;
};

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_TEXT_DATA_H_
