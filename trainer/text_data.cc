#include "trainer/text_data.h"

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "trainer/file_io.h"

namespace tideway::trainer {
namespace {

namespace fs = std::filesystem;

// SplitMix64's finalizer: counters in, independent-looking 64 bits out.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

absl::Status Invalid(const std::string& text) { return absl::InvalidArgumentError(text); }

// A zero byte does not occur in text.
bool LooksLikeText(const std::string& content) {
  return !content.empty() && content.find('\0') == std::string::npos;
}

bool Hidden(const fs::path& path) { return absl::StartsWith(path.filename().string(), "."); }

// The files of one source, in byte order of their paths.
absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& source) {
  std::error_code error;
  if (!fs::exists(source, error)) {
    return absl::NotFoundError(absl::StrCat("There is no file or folder ", source, "."));
  }
  if (!fs::is_directory(source, error)) return std::vector<std::string>{source};
  std::vector<std::string> files;
  fs::recursive_directory_iterator walk(source, error), end;
  while (!error && walk != end) {
    if (Hidden(walk->path())) {
      if (walk->is_directory(error)) walk.disable_recursion_pending();
    } else if (walk->is_regular_file(error)) {
      files.push_back(walk->path().string());
    }
    walk.increment(error);
  }
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("Can't list the folder ", source, ": ", error.message(), "."));
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<std::string> ReadSources(const std::vector<std::string>& sources) {
  if (sources.empty()) return Invalid("No text was given; name a file or folder with --data.");
  std::string text;
  for (const std::string& source : sources) {
    absl::StatusOr<std::vector<std::string>> files = FilesOf(source);
    if (!files.ok()) return files.status();
    const bool folder = files->size() != 1 || files->front() != source;
    const size_t before = text.size();
    for (const std::string& file : *files) {
      absl::StatusOr<std::string> content = ReadMaybeGzip(file, kTextBytesMax - text.size());
      if (!content.ok()) return content.status();
      // A folder may hold pictures and the like beside its text; a file that was named is meant.
      if (!folder || LooksLikeText(*content)) text += *content;
    }
    if (folder && text.size() == before) {
      return Invalid(absl::StrCat("The folder ", source, " holds no text."));
    }
  }
  if (text.empty()) {
    return Invalid(absl::StrCat(sources.front(), " is empty; there is nothing to learn."));
  }
  return text;
}

absl::Status CheckOptions(const TextDataOptions& options) {
  if (options.shards < 1) return Invalid("There must be at least one data shard.");
  if (options.context < 1) return Invalid("The context must be at least one byte.");
  if (!(options.held_out_percent > 0.0 && options.held_out_percent <= 50.0)) {
    return Invalid(absl::StrCat("The held-out share must be above 0 and at most 50 percent, not ",
                                options.held_out_percent, "."));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TextData> TextData::Load(const TextDataOptions& options) {
  if (absl::Status s = CheckOptions(options); !s.ok()) return s;
  absl::StatusOr<std::string> text = ReadSources(options.paths);
  if (!text.ok()) return text.status();
  return FromText(*text, options);
}

absl::StatusOr<TextData> TextData::FromText(absl::string_view text,
                                            const TextDataOptions& options) {
  if (absl::Status s = CheckOptions(options); !s.ok()) return s;
  TextData data;
  data.options_ = options;
  for (size_t block = 0; block < kHeldOutBlocks; ++block) {
    const size_t begin = text.size() * block / kHeldOutBlocks;
    const size_t end = text.size() * (block + 1) / kHeldOutBlocks;
    const size_t kept_out =
        static_cast<size_t>(static_cast<double>(end - begin) * options.held_out_percent / 100.0);
    data.training_.append(text.data() + begin, end - begin - kept_out);
    data.held_out_.append(text.data() + end - kept_out, kept_out);
  }
  const size_t window = static_cast<size_t>(options.context) + 1;
  const size_t shard = data.training_.size() / static_cast<size_t>(options.shards);
  if (data.held_out_.size() < window || shard < window) {
    return Invalid(absl::StrCat(
        "The text is too short: of ", text.size(), " bytes, ", shard, " fall to each of ",
        options.shards, " shards and ", data.held_out_.size(), " are held out, but a context of ",
        options.context, " needs ", window, " of each; give more text or a smaller --context."));
  }
  return data;
}

absl::string_view TextData::Shard(int shard) const {
  assert(shard >= 0 && shard < options_.shards);
  const size_t count = static_cast<size_t>(options_.shards);
  const size_t begin = training_.size() * static_cast<size_t>(shard) / count;
  const size_t end = training_.size() * (static_cast<size_t>(shard) + 1) / count;
  return absl::string_view(training_).substr(begin, end - begin);
}

void TextData::AppendWindow(absl::string_view text, size_t at, Batch* batch) const {
  const size_t context = static_cast<size_t>(options_.context);
  for (size_t i = 0; i < context; ++i) {
    batch->inputs.push_back(static_cast<uint8_t>(text[at + i]));
    batch->targets.push_back(static_cast<uint8_t>(text[at + i + 1]));
  }
  ++batch->rows;
}

Batch TextData::Sample(uint64_t seed, int shard, uint64_t step, int rows) const {
  const absl::string_view text = Shard(shard);
  const size_t starts = text.size() - static_cast<size_t>(options_.context);
  const uint64_t stream = Mix(Mix(Mix(seed) ^ static_cast<uint64_t>(shard)) ^ step);
  Batch batch;
  for (int row = 0; row < rows; ++row) {
    AppendWindow(text, Mix(stream ^ static_cast<uint64_t>(row)) % starts, &batch);
  }
  return batch;
}

Batch TextData::HeldOut(int rows) const {
  const size_t context = static_cast<size_t>(options_.context);
  const size_t windows = (held_out_.size() - 1) / context;
  const size_t count = std::min(windows, static_cast<size_t>(std::max(1, rows)));
  Batch batch;
  for (size_t i = 0; i < count; ++i) {
    AppendWindow(held_out_, i * windows / count * context, &batch);
  }
  return batch;
}

}  // namespace tideway::trainer
