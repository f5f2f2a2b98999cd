#include "core/sync/master.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/wire/payload_scan.h"
#include "core/wire/weight_frames.h"

namespace tideway::sync {
namespace {

size_t RunBytesMax(const ChunkTable& table, const VersionDifference& difference) {
  size_t most = 0;
  for (const ChunkRange& run : table.runs()) {
    size_t bytes = 0;
    for (size_t i = run.begin; i < run.end; ++i) {
      bytes += wire::kWeightRecordHeadBytes + difference.Bound(table.chunks()[i].bytes);
    }
    most = std::max(most, bytes);
  }
  return most;
}

}  // namespace

// Runs are taken by whoever is free. A helper that comes late finds nothing left to do, and nothing of the caller's.
class Master::Job {
 public:
  Job(Master* master, absl::Span<const std::byte* const> weights,
      absl::Span<const std::shared_ptr<Anchor>> anchors)
      : master_(master),
        weights_(weights),
        anchors_(anchors),
        runs_(master->table_->runs().size()),
        pages_(runs_) {}

  void Work() {
    for (size_t run = next_++; run < runs_; run = next_++) master_->AdvanceRun(*this, run);
  }

  void Help() {
    {
      absl::MutexLock lock(&mutex_);
      if (closed_) return;
      ++helping_;
    }
    Work();
    absl::MutexLock lock(&mutex_);
    --helping_;
  }

  // Returns once no helper is at work and none can begin.
  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return helping_ == 0; };
    mutex_.Await(absl::Condition(&idle));
  }

  const std::byte* weights(size_t tensor) const { return weights_[tensor]; }
  absl::Span<const std::shared_ptr<Anchor>> anchors() const { return anchors_; }
  // Of one run, by whoever has it.
  void SetPage(size_t run, std::shared_ptr<const Page> page) { pages_[run] = std::move(page); }
  void Fail() { failed_ = true; }

  // REQUIRES: closed.
  bool failed() const { return failed_; }
  std::vector<std::shared_ptr<const Page>>& pages() { return pages_; }

 private:
  Master* const master_;
  const absl::Span<const std::byte* const> weights_;
  const absl::Span<const std::shared_ptr<Anchor>> anchors_;
  const size_t runs_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::vector<std::shared_ptr<const Page>> pages_;

  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  int helping_ ABSL_GUARDED_BY(mutex_) = 0;
};

absl::StatusOr<std::unique_ptr<Master>> Master::Create(std::shared_ptr<const ChunkTable> table,
                                                       std::shared_ptr<const Codec> codec) {
  const size_t run_bytes_max = RunBytesMax(*table, *codec->version_difference());
  if (run_bytes_max > kMessagePayloadBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the codec ", codec->info().spec, " may need ", run_bytes_max,
                     " bytes for chunks that share a frame, which holds ", kMessagePayloadBytesMax,
                     "; take sparse_lossless"));
  }
  auto copy = WeightCopy::Create(table);
  if (!copy.ok()) return copy.status();
  return std::unique_ptr<Master>(
      new Master(std::move(table), std::move(codec), *std::move(copy), run_bytes_max));
}

Edition Master::Advance(uint64_t version, absl::Span<const std::byte* const> weights,
                        absl::Span<const std::shared_ptr<Anchor>> anchors, Executor* helpers,
                        int helpers_max) {
  const auto job = std::make_shared<Job>(this, weights, anchors);
  const size_t useful = table_->runs().size() - 1;
  for (size_t i = 0; i < std::min(useful, static_cast<size_t>(std::max(helpers_max, 0))); ++i) {
    helpers->Post([job] { job->Help(); });
  }
  job->Work();
  job->Close();
  Edition edition{.to = version,
                  .checksums = std::make_shared<const std::vector<uint64_t>>(
                      TensorChecksums(*table_, copy_->hashes))};
  if (version_ != 0 && !job->failed()) {
    edition.from = version_;
    for (std::shared_ptr<const Page>& page : job->pages()) {
      if (page == nullptr) continue;
      edition.bytes += page->size;
      edition.pages.push_back(std::move(page));
    }
  }
  version_ = version;
  return edition;
}

std::unique_ptr<Master::Scratch> Master::TakeScratch() {
  {
    absl::MutexLock lock(&scratch_mutex_);
    if (!idle_scratch_.empty()) {
      std::unique_ptr<Scratch> scratch = std::move(idle_scratch_.back());
      idle_scratch_.pop_back();
      return scratch;
    }
  }
  return std::make_unique<Scratch>(run_bytes_max_);
}

void Master::GiveScratch(std::unique_ptr<Scratch> scratch) {
  absl::MutexLock lock(&scratch_mutex_);
  idle_scratch_.push_back(std::move(scratch));
}

void Master::AdvanceRun(Job& job, size_t run) {
  std::unique_ptr<Scratch> scratch = TakeScratch();
  size_t used = 0;
  const ChunkRange range = table_->runs()[run];
  for (size_t chunk = range.begin; chunk < range.end; ++chunk) {
    used += AdvanceChunk(job, chunk, absl::MakeSpan(*scratch).subspan(used));
  }
  if (used > 0) {
    auto page = std::make_shared<Page>();
    page->bytes = std::make_unique_for_overwrite<std::byte[]>(used);
    page->size = used;
    std::memcpy(page->bytes.get(), scratch->data(), used);
    page->hash = wire::HashBytes(page->span());
    job.SetPage(run, std::move(page));
  }
  GiveScratch(std::move(scratch));
}

size_t Master::AdvanceChunk(Job& job, size_t number, absl::Span<std::byte> out) {
  const Chunk& chunk = table_->chunks()[number];
  const absl::Span<std::byte> held = copy_->chunk(chunk);
  const auto wanted = absl::MakeConstSpan(job.weights(chunk.tensor) + chunk.offset, chunk.bytes);
  absl::MutexLock lock(&LockOf(number));
  const bool first = version_ == 0;
  if (!first && std::memcmp(held.data(), wanted.data(), chunk.bytes) == 0) return 0;
  SaveFor(job.anchors(), number);
  size_t written = 0;
  if (!first) {
    const absl::StatusOr<size_t> encoded = codec_->version_difference()->Encode(
        held, wanted, chunk.word_bytes, out.subspan(wire::kWeightRecordHeadBytes));
    if (encoded.ok()) {
      wire::WriteWeightRecordHead(chunk.tensor, chunk.index, *encoded, out.data());
      written = wire::kWeightRecordHeadBytes + *encoded;
    } else {
      job.Fail();
    }
  }
  // All of it: in the cache that costs half of what applying the difference does.
  std::memcpy(held.data(), wanted.data(), chunk.bytes);
  copy_->hashes[number] = wire::HashBytes(held);
  return written;
}

void Master::SaveFor(absl::Span<const std::shared_ptr<Anchor>> anchors, size_t number) const {
  const Chunk& chunk = table_->chunks()[number];
  for (const std::shared_ptr<Anchor>& anchor : anchors) {
    std::unique_ptr<std::byte[]>& saved = anchor->saved_[number];
    if (saved != nullptr) continue;
    saved = std::make_unique_for_overwrite<std::byte[]>(chunk.bytes);
    std::memcpy(saved.get(), copy_->chunk(chunk).data(), chunk.bytes);
  }
}

std::shared_ptr<Anchor> Master::NewAnchor(Checksums checksums) const {
  return std::make_shared<Anchor>(version_, std::move(checksums), table_->chunks().size());
}

void Master::ReadChunk(const Anchor& anchor, size_t number,
                       absl::Span<std::byte> destination) const {
  const Chunk& chunk = table_->chunks()[number];
  absl::MutexLock lock(&LockOf(number));
  const std::unique_ptr<std::byte[]>& saved = anchor.saved_[number];
  const std::byte* const source =
      saved != nullptr ? saved.get() : static_cast<const WeightCopy&>(*copy_).chunk(chunk).data();
  std::memcpy(destination.data(), source, chunk.bytes);
}

}  // namespace tideway::sync
