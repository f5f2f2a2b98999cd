#include "core/sync/publisher_core.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "core/sync/publisher_session.h"

namespace tideway::sync {
namespace {

constexpr int kEncodeThreadsMax = 8;  // unless more are asked for

absl::Status CheckOptions(const PublisherOptions& options) {
  const auto between = [](absl::string_view name, size_t value, size_t least, size_t most) {
    if (value >= least && value <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is ", value, "; give ", least, " to ", most));
  };
  absl::Status status = between("links_max", options.links_max, 1, kWeightLinksMax);
  status.Update(between("anchors_max", options.anchors_max, 1, kWeightAnchorsMax));
  status.Update(between("subscribers_max", options.subscribers_max, 1, kWeightSubscribersMax));
  if (options.silence_max <= absl::ZeroDuration()) {
    status.Update(absl::InvalidArgumentError("silence_max must be above zero"));
  }
  if (options.listen.empty()) {
    status.Update(absl::InvalidArgumentError("give at least one address to listen on"));
  }
  return status;
}

absl::StatusOr<std::shared_ptr<const Codec>> CodecOf(Runtime* runtime, const std::string& spec) {
  auto codec = runtime->codecs().Create(spec);
  if (!codec.ok()) return codec.status();
  if ((*codec)->version_difference() == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the codec ", spec, " can't make one version from another bit for bit; take ",
                     "sparse_lossless, or one of your own that has a version_difference"));
  }
  return std::shared_ptr<const Codec>(*std::move(codec));
}

VersionStore::Limits LimitsOf(const PublisherOptions& options, const ChunkTable& table) {
  const size_t bytes = options.history_bytes_max;
  return {.links_max = options.links_max,
          .history_bytes_max = bytes == 0 ? table.layout().bytes() : bytes,
          .anchors_max = options.anchors_max};
}

int Helpers(int encode_threads) {
  if (encode_threads > 0) return encode_threads - 1;
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(cores, 1, kEncodeThreadsMax) - 1;
}

// INVALID_ARGUMENT, naming the tensor, unless `weights` are what the layout says.
absl::Status CheckWeights(const WeightLayout& layout, absl::Span<const WeightView> weights) {
  std::vector<WeightSpec> specs;
  specs.reserve(weights.size());
  for (const WeightView& view : weights) specs.push_back({view.name, view.type, view.shape});
  const absl::Status same =
      CheckSameWeights(layout, "this publisher", specs, "the call of Publish");
  if (!same.ok()) return absl::InvalidArgumentError(same.message());
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i].data != nullptr) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(specs[i].ToString(), " has no data; give a pointer to its elements"));
  }
  return absl::OkStatus();
}

}  // namespace

PublisherCore::PublisherCore(Runtime* runtime, const PublisherOptions& options,
                             std::shared_ptr<const ChunkTable> table,
                             std::shared_ptr<const Codec> codec, std::unique_ptr<Master> master)
    : runtime_(runtime),
      options_(options),
      epoch_(runtime->executor().Random() | 1),
      table_(std::move(table)),
      codec_(std::move(codec)),
      store_(std::move(master), table_, LimitsOf(options, *table_)),
      pool_(options.subscribers_max * 2 * (kWeightBytesInFlight + kWeightTableBytesMax),
            kWeightBytesInFlight),
      strand_(&runtime->executor()) {}

absl::StatusOr<std::shared_ptr<PublisherCore>> PublisherCore::Create(
    Runtime* runtime, const PublisherOptions& options, const WeightLayout& layout) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  absl::StatusOr<ChunkTable> table = ChunkTable::Create(layout, options.chunk_bytes);
  if (!table.ok()) return table.status();
  auto codec = CodecOf(runtime, options.codec);
  if (!codec.ok()) return codec.status();
  auto shared_table = std::make_shared<const ChunkTable>(*std::move(table));
  auto master = Master::Create(shared_table, *codec);
  if (!master.ok()) return master.status();
  return std::shared_ptr<PublisherCore>(new PublisherCore(runtime, options, std::move(shared_table),
                                                          *std::move(codec), *std::move(master)));
}

void PublisherCore::Start() { ArmTimer(); }

std::shared_ptr<Receiver> PublisherCore::Accept(std::shared_ptr<Connection> connection) {
  absl::MutexLock lock(&mutex_);
  if (stopped_ || sessions_.size() >= options_.subscribers_max) {
    ++refused_;
    return nullptr;
  }
  const uint64_t id = ++last_session_;
  auto session = std::make_shared<PublisherSession>(shared_from_this(), id, std::move(connection));
  sessions_.emplace(id, session);
  return session;
}

absl::StatusOr<PublishReport> PublisherCore::Publish(uint64_t version,
                                                     absl::Span<const WeightView> weights) {
  if (stopped_) return absl::CancelledError("the publisher is stopped");
  absl::Status fit = CheckWeights(table_->layout(), weights);
  if (!fit.ok()) return fit;
  std::vector<const std::byte*> pointers;
  pointers.reserve(weights.size());
  for (const WeightView& view : weights) {
    pointers.push_back(static_cast<const std::byte*>(view.data));
  }
  const absl::Time began = Now();
  const absl::StatusOr<size_t> bytes =
      store_.Publish(version, pointers, &runtime_->executor(), Helpers(options_.encode_threads));
  if (!bytes.ok()) return bytes.status();
  const PublishReport report{.id = {epoch_, version},
                             .bytes = *bytes,
                             .bytes_model = table_->layout().bytes(),
                             .seconds = absl::ToDoubleSeconds(Now() - began)};
  {
    absl::MutexLock lock(&mutex_);
    ++versions_;
    bytes_encoded_ += report.bytes;
    seconds_encoding_ += report.seconds;
  }
  OnStrand([self = shared_from_this()] { self->ServeWaiting(); });
  return report;
}

void PublisherCore::OnStrand(Task task) { strand_.Post(std::move(task)); }

void PublisherCore::After(absl::Duration delay, Task task) {
  runtime_->executor().PostAt(Now() + delay,
                              [self = shared_from_this(), task = std::move(task)]() mutable {
                                self->OnStrand(std::move(task));
                              });
}

void PublisherCore::Forget(uint64_t session) {
  absl::MutexLock lock(&mutex_);
  sessions_.erase(session);
}

std::vector<std::shared_ptr<PublisherSession>> PublisherCore::Sessions() const {
  std::vector<std::shared_ptr<PublisherSession>> sessions;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, session] : sessions_) sessions.push_back(session);
  return sessions;
}

void PublisherCore::ServeWaiting() {
  for (const auto& session : Sessions()) session->Serve();
}

void PublisherCore::ArmTimer() {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return;
  // The timer alone does not keep the publisher alive.
  timer_ = runtime_->executor().PostAt(Now() + options_.silence_max / 4, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->OnStrand([self] { self->CheckSessions(); });
    self->ArmTimer();
  });
}

void PublisherCore::CheckSessions() {
  const absl::Time moment = Now() - options_.silence_max;
  for (const auto& session : Sessions()) session->CheckSince(moment);
}

PublisherStats PublisherCore::stats() const {
  const VersionStore::Totals totals = store_.totals();
  PublisherStats stats{.links = totals.links,
                       .bytes_links = totals.bytes_links,
                       .anchors = totals.anchors,
                       .chains_sent = chains_sent_,
                       .wholes_sent = wholes_sent_,
                       .bytes_sent = bytes_sent_,
                       .refused = refused_};
  if (totals.newest != 0) stats.newest = {epoch_, totals.newest};
  for (const auto& session : Sessions()) {
    if (auto told = session->stats(); told.has_value()) {
      stats.subscribers.push_back(*std::move(told));
    }
  }
  absl::MutexLock lock(&mutex_);
  stats.versions = versions_;
  stats.bytes_encoded = bytes_encoded_;
  stats.seconds_encoding = seconds_encoding_;
  return stats;
}

void PublisherCore::Stop() {
  TimerId timer = 0;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    timer = std::exchange(timer_, 0);
  }
  runtime_->executor().Cancel(timer);
  OnStrand([self = shared_from_this()] {
    for (const auto& session : self->Sessions()) {
      session->Close(absl::CancelledError("the publisher stops"));
    }
  });
}

}  // namespace tideway::sync
