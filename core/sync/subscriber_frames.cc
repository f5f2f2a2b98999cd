// What a publisher says, and the version that comes of it.

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/sync/installed_weights.h"
#include "core/sync/subscriber_core.h"
#include "core/wire/control.h"
#include "core/wire/weight_handshake.h"

namespace tideway::sync {
namespace {

using wire::TypeByte;
using wire::WeightFrameHeader;
using wire::WeightFrameType;

// Told in parts of what may be under way, so that the publisher never runs dry.
constexpr size_t kTellBytes = kWeightBytesInFlight / 4;
constexpr size_t kTellFrames = kWeightFramesInFlight / 4;
// Worked through between two looks at what else there is to do.
constexpr size_t kFinishBytes = size_t{32} << 20;

bool MayBeBetterLater(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsDataLoss(status) || absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
}

// The most that a publisher may send in one message of that type.
absl::StatusOr<size_t> PayloadLimit(WeightFrameType type) {
  switch (type) {
    case WeightFrameType::kWelcome:
      return kWeightTableBytesMax;
    case WeightFrameType::kRefuse:
      return kControlBytesMax;
    case WeightFrameType::kVersion:
      return kTensorsMax * sizeof(uint64_t);
    case WeightFrameType::kChanges:
    case WeightFrameType::kWhole:
      return kMessagePayloadBytesMax;
    case WeightFrameType::kPong:
      return size_t{0};
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("a publisher must not send a ", wire::WeightFrameName(type), " frame"));
  }
}

}  // namespace

absl::StatusOr<Landing> SubscriberCore::OnMessage(uint64_t attempt,
                                                  absl::Span<const std::byte> header_bytes,
                                                  size_t payload_bytes) {
  const auto header = wire::ReadWeightHeader(header_bytes, payload_bytes);
  absl::Status status = header.status();
  if (status.ok()) {
    const auto limit = PayloadLimit(static_cast<WeightFrameType>(header->type));
    status = limit.status();
    if (limit.ok() && payload_bytes > *limit) {
      status = absl::ResourceExhaustedError(
          absl::StrCat("a payload of ", payload_bytes, " bytes is over the limit of ", *limit));
    }
  }
  auto buffer = status.ok() ? pool_.Take(payload_bytes) : absl::StatusOr<Buffer>(status);
  if (!buffer.ok()) {
    OnStrand([self = shared_from_this(), attempt, why = buffer.status()] {
      if (attempt != self->attempt_) return;
      // A stranger's greeting: another protocol, or another version of ours. Trying again can't help.
      if (self->state_ == State::kGreeting && absl::IsInvalidArgument(why)) {
        return self->BecomeFinal(why);
      }
      self->Break(why);
    });
    return buffer.status();
  }
  heard_ns_.store(absl::ToUnixNanos(runtime_->executor().Now()));
  const absl::Span<std::byte> destination = buffer->span();
  return Landing{destination, [self = shared_from_this(), attempt, header = *header,
                               payload = *std::move(buffer)](const absl::Status& landed) mutable {
                   if (!landed.ok()) return;  // OnClosed follows
                   self->OnStrand([self, attempt, header, payload = std::move(payload)]() mutable {
                     self->OnFrame(attempt, header, std::move(payload));
                   });
                 }};
}

void SubscriberCore::OnFrame(uint64_t attempt, const WeightFrameHeader& header, Buffer payload) {
  if (attempt != attempt_ || (state_ != State::kGreeting && state_ != State::kFollowing)) return;
  absl::Status status = wire::CheckWeightPayload(header, payload.span());
  if (status.ok()) status = Dispatch(header, std::as_const(payload).span());
  if (!status.ok()) Break(status);
}

absl::Status SubscriberCore::Dispatch(const WeightFrameHeader& header,
                                      absl::Span<const std::byte> payload) {
  const auto type = static_cast<WeightFrameType>(header.type);
  if (type == WeightFrameType::kRefuse) return OnRefuse(payload);
  if ((type == WeightFrameType::kWelcome) != (state_ == State::kGreeting)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ", wire::WeightFrameName(type), " frame came out of turn"));
  }
  switch (type) {
    case WeightFrameType::kWelcome:
      return OnWelcome(header, payload);
    case WeightFrameType::kVersion:
      return OnVersion(header, payload);
    case WeightFrameType::kChanges:
    case WeightFrameType::kWhole:
      return OnWeights(header, payload);
    default:
      return absl::OkStatus();  // a pong
  }
}

absl::Status SubscriberCore::OnRefuse(absl::Span<const std::byte> payload) {
  const auto refusal = wire::UnpackControl<wire::Refusal>(payload);
  if (!refusal.ok()) return refusal.status();
  absl::Status why = wire::FromProto(*refusal);
  if (MayBeBetterLater(why)) return why;
  BecomeFinal(absl::Status(why.code(), absl::StrCat("the publisher refuses: ", why.message())));
  return absl::OkStatus();
}

absl::Status SubscriberCore::OnWelcome(const WeightFrameHeader& header,
                                       absl::Span<const std::byte> payload) {
  const auto welcome = wire::UnpackWeightMessage<wire::WeightWelcome>(payload);
  if (!welcome.ok()) return welcome.status();
  if (absl::Status agreed = Agree(header.epoch, *welcome); !agreed.ok()) {
    BecomeFinal(agreed);
    return absl::OkStatus();
  }
  state_ = State::kFollowing;
  following_since_ = runtime_->executor().Now();
  runtime_->executor().Cancel(std::exchange(timer_, 0));
  {
    absl::MutexLock lock(&mutex_);
    stats_.connected = true;
    ++stats_.connects;
    last_error_ = absl::OkStatus();
  }
  ArmPing();
  Ask();
  return absl::OkStatus();
}

absl::Status SubscriberCore::Agree(uint64_t epoch, const wire::WeightWelcome& welcome) {
  if (welcome.layout_fingerprint() != layout_.fingerprint()) {
    absl::Status differ =
        CheckSameWeights(layout_, "this subscriber", wire::TensorsOf(welcome), "the publisher");
    if (welcome.tensors_size() > 0 && !differ.ok()) return differ;
    return absl::FailedPreconditionError(
        absl::StrCat("the publisher has another model than this subscriber, which has ",
                     layout_.ToString(), "; give both the same tensors"));
  }
  const std::string spec = wire::Printable(welcome.codec_spec(), kSpecBytesMax);
  if (epoch == 0 || welcome.codec() > UINT8_MAX) {
    return absl::InvalidArgumentError("the publisher's welcome makes no sense");
  }
  const auto codec_id = static_cast<uint8_t>(welcome.codec());
  epoch_ = epoch;
  if (table_ != nullptr && table_->chunk_bytes() == welcome.chunk_bytes() &&
      codec_id == codec_id_) {
    return absl::OkStatus();
  }
  auto codec = runtime_->codecs().CreateForWireId(codec_id);
  if (!codec.ok() || (*codec)->version_difference() == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the publisher encodes versions with ", spec, " (wire id ", welcome.codec(),
        "), which this end can't decode; register the codec here, or publish with another one"));
  }
  absl::StatusOr<ChunkTable> table = ChunkTable::Create(layout_, welcome.chunk_bytes());
  if (!table.ok()) return table.status();
  // Copies that are cut otherwise, or numbered by another stager, are of no use any more.
  if (staged_ != nullptr) copies_->Give(std::move(staged_));
  table_ = std::make_shared<const ChunkTable>(*std::move(table));
  stager_ = std::make_unique<Stager>(table_, *std::move(codec));
  codec_id_ = codec_id;
  return absl::OkStatus();
}

void SubscriberCore::Ask() {
  if (state_ != State::kFollowing || asked_ || stager_->active()) return;
  if (staged_ == nullptr) {
    auto copy = copies_->Take(table_);
    if (!copy.ok()) return Break(copy.status());
    if (*copy == nullptr) {
      absl::MutexLock lock(&mutex_);
      ++stats_.waits_for_a_copy;
      return;
    }
    staged_ = *std::move(copy);
  }
  {
    absl::MutexLock lock(&mutex_);
    base_ = current_;
  }
  if (base_ != nullptr &&
      (ask_whole_ || base_->id().epoch != epoch_ || base_->copy().table() != table_)) {
    base_.reset();
  }
  asked_ = true;
  const WeightVersionId held = base_ == nullptr ? WeightVersionId{} : base_->id();
  SendEmpty(
      {.type = TypeByte(WeightFrameType::kRequest), .epoch = held.epoch, .from = held.version});
}

absl::Status SubscriberCore::OnVersion(const WeightFrameHeader& header,
                                       absl::Span<const std::byte> payload) {
  if (!asked_ && !stager_->active()) {
    return absl::InvalidArgumentError("a version came that was not asked for");
  }
  const WeightVersionId held = base_ == nullptr ? WeightVersionId{} : base_->id();
  const WeightsPtr in_use = current();
  // Within an epoch versions never go back, also where the whole was asked for.
  const bool back =
      in_use != nullptr && in_use->id().epoch == header.epoch && header.to < in_use->id().version;
  if (header.epoch != epoch_ || back || (header.from != 0 && header.from != held.version)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a version came that leads from ", header.from, " to ", header.to,
                     " of another epoch, or not from ", held.ToString()));
  }
  absl::Status begun =
      stager_->Begin(header, payload, base_ == nullptr ? nullptr : &base_->copy(), staged_.get());
  if (!begun.ok()) return begun;
  asked_ = false;
  announced_ = header;
  announced_at_ = runtime_->executor().Now();
  if (stager_->AllTaken()) Finish(attempt_);
  return absl::OkStatus();
}

absl::Status SubscriberCore::OnWeights(const WeightFrameHeader& header,
                                       absl::Span<const std::byte> payload) {
  if (!stager_->active()) {
    return absl::InvalidArgumentError("weights came that were not announced");
  }
  const absl::Time began = runtime_->executor().Now();
  const bool whole = header.type == TypeByte(WeightFrameType::kWhole);
  absl::Status taken =
      whole ? stager_->TakeWhole(header, payload) : stager_->TakeChanges(header, payload);
  if (!taken.ok()) return taken;
  {
    absl::MutexLock lock(&mutex_);
    ++stats_.frames;
    stats_.bytes += payload.size();
    stats_.seconds_staging += absl::ToDoubleSeconds(runtime_->executor().Now() - began);
  }
  TellTaken(payload.size());
  if (stager_->AllTaken()) Finish(attempt_);
  return absl::OkStatus();
}

void SubscriberCore::TellTaken(size_t bytes) {
  ++taken_;
  ++frames_untold_;
  bytes_untold_ += bytes;
  if (bytes_untold_ < kTellBytes && frames_untold_ < kTellFrames && !stager_->AllTaken()) return;
  frames_untold_ = 0;
  bytes_untold_ = 0;
  SendEmpty({.type = TypeByte(WeightFrameType::kTaken), .count = taken_});
}

void SubscriberCore::Finish(uint64_t attempt) {
  if (attempt != attempt_ || state_ != State::kFollowing || !stager_->active() ||
      !stager_->AllTaken()) {
    return;
  }
  const absl::Time began = runtime_->executor().Now();
  const absl::StatusOr<bool> finished = stager_->FinishSome(kFinishBytes);
  {
    absl::MutexLock lock(&mutex_);
    stats_.seconds_staging += absl::ToDoubleSeconds(runtime_->executor().Now() - began);
    stats_.checksum_errors += finished.ok() ? 0 : 1;
  }
  if (!finished.ok()) {
    ask_whole_ = true;
    return Break(finished.status());
  }
  if (*finished) return Install();
  OnStrand([self = shared_from_this(), attempt] { self->Finish(attempt); });
}

void SubscriberCore::Install() {
  const bool whole = announced_.from == 0;
  auto installed = std::make_shared<const InstalledWeights>(WeightVersionId{epoch_, announced_.to},
                                                            std::move(staged_), copies_);
  stager_->Abandon();
  base_.reset();
  ask_whole_ = false;
  {
    absl::MutexLock lock(&mutex_);
    current_.swap(installed);
    stats_.id = current_->id();
    ++stats_.installs;
    stats_.wholes += whole ? 1 : 0;
    stats_.bytes_whole += layout_.bytes();
    stats_.seconds_install_last = absl::ToDoubleSeconds(runtime_->executor().Now() - announced_at_);
  }
  installed.reset();  // the former one: its copy may be what the next version is built in
  waiters_.Install(current());
  Ask();
}

}  // namespace tideway::sync
