#include "core/server/fragment.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/wire/payload_scan.h"
#include "tideway/limits.h"

namespace tideway {
namespace {

void Mark(const Fragment::PushInput& input, absl::Time ServerPushTimes::*stage) {
  if (input.marks != nullptr) input.marks->Mark(stage);
}

// Our own sparse codecs, which decode to finite values only. An embedder's may not.
bool IsSparse(const Codec& codec) {
  return !codec.info().dense && codec.info().wire_id < kEmbeddersWireIdMin;
}

absl::Span<float> FloatsOf(Buffer& buffer) {
  return {reinterpret_cast<float*>(buffer.data()), buffer.size() / sizeof(float)};
}

}  // namespace

Fragment::Fragment(const FragmentSpec& spec, State state, const OuterOptimizer* optimizer,
                   const optim::StalenessPolicy* staleness)
    : spec_(spec),
      optimizer_(optimizer),
      staleness_(staleness),
      state_(std::move(state)),
      version_(state_.version) {}

absl::StatusOr<Fragment::PushOutput> Fragment::Push(const PushInput& input, BufferPool& scratch) {
  DedupWindow& dedup = state_.dedup[input.worker];
  if (dedup.incarnation() != input.incarnation) dedup = DedupWindow(input.incarnation);
  dedup.RaiseFloor(input.floor);
  if (dedup.BelowFloor(input.sequence)) {
    return absl::InvalidArgumentError(absl::StrCat("push ", input.sequence, " of fragment ",
                                                   spec_.id, " is below the acknowledged floor ",
                                                   dedup.floor()));
  }
  PushOutput output;
  if (auto seen = dedup.Find(input.sequence)) {
    output.duplicate = true;
    output.verdict = seen->verdict;
    output.version = seen->version;
    return output;
  }
  // A base ahead of us is a worker that pulled before this server recovered from an older snapshot.
  output.staleness = state_.version > input.base_version ? state_.version - input.base_version : 0;
  const optim::StalenessVerdict decision = staleness_->Judge(output.staleness);
  if (decision.accept) {
    absl::Status status = DecodeAndStep(input, decision.weight, output.staleness, scratch, output);
    if (!status.ok()) return status;
  } else {
    output.verdict = wire::Verdict::kRejected;
  }
  output.version = state_.version;
  dedup.Insert({input.sequence, output.version, output.verdict});
  return output;
}

absl::Status Fragment::DecodeAndStep(const PushInput& input, float weight, uint64_t staleness,
                                     BufferPool& scratch, PushOutput& output) {
  const ApplyContext context{
      .staleness = staleness, .active_workers = input.active_workers, .weight = weight};
  const std::optional<float> factor = optimizer_->ScaledAdd(context);
  const absl::StatusOr<ApplyResult> result = factor.has_value() && IsSparse(*input.codec)
                                                 ? AddInPlace(input, *factor, scratch)
                                                 : StepDense(input, context, scratch);
  if (!result.ok()) return result.status();
  Mark(input, &ServerPushTimes::stepped);
  if (*result == ApplyResult::kApplied) {
    output.verdict = wire::Verdict::kApplied;
    version_.store(++state_.version, std::memory_order_release);
    absl::MutexLock lock(&mutex_);
    if (exposure_ != nullptr) exposure_->SetVersion(state_.version);
  } else {
    output.verdict = wire::Verdict::kBuffered;
  }
  return absl::OkStatus();
}

absl::StatusOr<ApplyResult> Fragment::AddInPlace(const PushInput& input, float factor,
                                                 BufferPool& scratch) {
  absl::StatusOr<Buffer> trial = scratch.Take(spec_.elements * sizeof(float));
  if (!trial.ok()) return trial.status();
  // First where it does no harm: a payload may turn out to be malformed half-way.
  absl::Status status = input.codec->DecodeAdd(input.payload, 1.0f, FloatsOf(*trial));
  if (status.ok()) {
    status = input.codec->DecodeAdd(input.payload, factor, absl::MakeSpan(state_.theta));
  }
  if (!status.ok()) return status;
  Mark(input, &ServerPushTimes::decoded);
  return ApplyResult::kApplied;
}

absl::StatusOr<ApplyResult> Fragment::StepDense(const PushInput& input, const ApplyContext& context,
                                                BufferPool& scratch) {
  absl::Span<const float> delta;
  Buffer decoded;
  if (input.codec->info().wire_id == kIdentityWireId) {
    if (input.payload.size() != spec_.elements * sizeof(float)) {
      return absl::InvalidArgumentError("identity payload has the wrong length");
    }
    delta = {reinterpret_cast<const float*>(input.payload.data()), spec_.elements};
  } else {
    absl::StatusOr<Buffer> buffer = scratch.Take(spec_.elements * sizeof(float));
    if (!buffer.ok()) return buffer.status();
    decoded = *std::move(buffer);
    const absl::Span<float> floats = FloatsOf(decoded);
    std::fill(floats.begin(), floats.end(), 0.0f);
    absl::Status status = input.codec->DecodeAdd(input.payload, 1.0f, floats);
    if (!status.ok()) return status;
    delta = floats;
  }
  const absl::Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(delta.data()),
                                          delta.size() * sizeof(float));
  if (!input.known_finite && !wire::AllFinite(bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("delta of fragment ", spec_.id, " has a NaN or an infinity"));
  }
  Mark(input, &ServerPushTimes::decoded);
  return optimizer_->Apply(absl::MakeSpan(state_.theta), delta, context, state_.optimizer);
}

std::shared_ptr<Published> Fragment::TryPublished(uint64_t window) {
  absl::MutexLock lock(&mutex_);
  if (window != 0) {
    auto it = by_window_.find(window);
    if (it != by_window_.end()) return it->second;
  }
  if (newest_ == nullptr || newest_->version() != version()) return nullptr;
  return PinLocked(window, newest_);
}

std::shared_ptr<Published> Fragment::Publish(uint64_t window) {
  if (auto published = TryPublished(window)) return published;
  auto fresh = NewPublished();
  absl::MutexLock lock(&mutex_);
  newest_ = fresh;
  if (fresh->slot() != nullptr) {
    exposure_->Fill(fresh->slot()->number(), fresh->version(), fresh->slot_hash());
  }
  return PinLocked(window, std::move(fresh));
}

std::shared_ptr<Published> Fragment::NewPublished() {
  std::unique_ptr<ExposedSlot> slot;
  {
    absl::MutexLock lock(&mutex_);
    if (exposure_ != nullptr) slot = exposure_->TakeSlot();
  }
  return std::make_shared<Published>(state_.version, state_.theta, std::move(slot));
}

PublishedChain& Fragment::ChainFor(const std::shared_ptr<const Codec>& codec, uint64_t fresh_id,
                                   size_t chains_max) {
  const std::string& spec = codec->info().spec;
  auto it = chains_.find(spec);
  if (it == chains_.end()) {
    while (chains_.size() >= chains_max) {
      const auto unused = std::find_if(chains_.begin(), chains_.end(), [](const auto& entry) {
        return entry.second.codec.expired();
      });
      if (unused == chains_.end()) break;  // the handshake bounds those that are in use
      chains_.erase(unused);
    }
    it = chains_.emplace(spec, Chain{.published = PublishedChain(fresh_id), .codec = {}}).first;
  }
  it->second.codec = codec;
  return it->second.published;
}

PublishedChain::Answer Fragment::AnswerByDifferences(uint64_t window,
                                                     const std::shared_ptr<const Codec>& codec,
                                                     wire::ChainPosition held, uint64_t fresh_id,
                                                     size_t chains_max) {
  // What a plain pull would get: so both kinds agree on a window's version.
  const std::shared_ptr<Published> published = Publish(window);
  return ChainFor(codec, fresh_id, chains_max)
      .Serve(*codec, window, published->version(), published->values(), held);
}

void Fragment::Expose(std::shared_ptr<ExposedArea> area, size_t index) {
  {
    absl::MutexLock lock(&mutex_);
    exposure_ = std::make_unique<Exposure>(std::move(area), index, state_.version);
    newest_.reset();  // it lies on the heap
  }
  Publish(0);
}

std::shared_ptr<Published> Fragment::PinLocked(uint64_t window,
                                               std::shared_ptr<Published> published) {
  if (window == 0) return published;
  by_window_.emplace(window, published);
  while (by_window_.size() > kPublishedWindowsKept) by_window_.erase(by_window_.begin());
  if (exposure_ == nullptr) return published;
  std::vector<wire::PinEntry> pins;
  for (const auto& [pinned, kept] : by_window_) {
    if (kept->slot() != nullptr) pins.push_back({.window = pinned, .slot = kept->slot()->number()});
  }
  exposure_->SetPins(pins);
  return published;
}

}  // namespace tideway
