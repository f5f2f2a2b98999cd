#include "core/client/push_lane.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/client/finite.h"
#include "core/wire/payload_scan.h"

namespace tideway {
namespace {

// With the codecs at once: one being encoded on each strand, and one that waits.
constexpr size_t kEncodingMax = 3;

// Encoding so few values takes less than a hop to another thread.
constexpr size_t kElementsAtOnce = 4096;
// Looking through so many values between two writes leaves the network enough to do.
constexpr size_t kElementsBetween = size_t{1} << 19;
// Looking through so many values takes about as long as waking another thread and moving them to its core.
constexpr size_t kElementsIdle = size_t{1} << 18;

Feedback FeedbackOf(const ClientOptions& options) {
  return {.enabled = options.error_feedback,
          .decay = options.residual_decay,
          .momentum = options.momentum_correction,
          .masking = options.factor_masking};
}

// The server's fragments in turn.
std::vector<uint8_t> StrandsOf(const Layout& layout, uint32_t server, size_t strands) {
  std::vector<uint8_t> strand_of(layout.fragments().size());
  size_t next = 0;
  for (const uint32_t fragment : layout.fragments_of(server)) {
    strand_of[fragment] = static_cast<uint8_t>(next++ % strands);
  }
  return strand_of;
}

}  // namespace

PushLane::PushLane(ClientShared* shared, FrameSender* sender, uint32_t server)
    : shared_(shared),
      sender_(sender),
      codec_strands_{shared->tasks.NewStrand(), shared->tasks.NewStrand()},
      strand_of_(StrandsOf(shared->config.layout, server, codec_strands_.size())),
      residual_(&shared->config.layout, server, FeedbackOf(shared->config.options)),
      codecs_(shared->config.candidates_up(), shared->config.layout.fragments_of(server).size()) {}

absl::Span<const float> PushLane::DeltaOf(const Part& part) const {
  const FragmentSpec& spec = shared_->config.layout.fragments()[part.fragment];
  return part.job->delta.subspan(spec.offset, spec.elements);
}

void PushLane::Add(std::shared_ptr<PushJob> job, uint32_t fragment) {
  Part part{.job = std::move(job), .fragment = fragment};
  if (!final_.ok()) part.job->Fail(final_);
  if (part.job->failed()) {
    ReturnDelta(std::move(part));
    return;
  }
  waiting_.push_back(std::move(part));
  Pump();
}

bool PushLane::HasRoomFor(size_t bytes) const {
  if (credit_bytes_max_ == 0 || encoding_ >= kEncodingMax) return false;
  if (parts_under_way_ == 0) return true;  // a credit below one fragment still lets one through
  if (bytes_leaving_ >= send_ahead_bytes_) return false;
  return parts_under_way_ < parts_max_ && credit_bytes_used_ + bytes <= credit_bytes_max_;
}

void PushLane::Pump(bool at_once) {
  if (pumping_) return;  // what encodes here and now pumps again
  pumping_ = true;
  PumpAll(at_once);
  pumping_ = false;
}

void PushLane::PumpAll(bool at_once) {
  const ClientConfig& config = shared_->config;
  while (!waiting_.empty()) {
    Part& next = waiting_.front();
    if (next.codec == nullptr) next.codec = &codecs_.For(next.job, shared_->tasks.Now());
    const size_t bound = next.codec->Bound(config.layout.fragments()[next.fragment].elements);
    if (!HasRoomFor(bound)) return;
    next.credit_bytes = bound;
    credit_bytes_used_ += bound;
    ++parts_under_way_;
    ++encoding_;
    Part part = std::move(next);
    waiting_.pop_front();
    Encode(std::move(part), at_once);
  }
}

void PushLane::Encode(Part part, bool at_once) {
  const size_t elements = DeltaOf(part).size();
  part.unhashed = sender_->ready() && sender_->unhashed();
  Strand& strand = CodecStrandOf(part);
  const bool idle = parts_under_way_ == 1;  // nothing is on the way that this thread would hold up
  const size_t as_it_is_max = at_once ? kElementsBetween : idle ? kElementsIdle : 0;
  at_once = elements <= kElementsAtOnce || (elements <= as_it_is_max && AsItIs(part));
  if (shared_->config.options.on_push_times) {
    part.marks = StageMarks<ClientPushTimes>(shared_->tasks.clock());
    part.marks.times().begun = part.job->begun;
  }
  if (at_once) {
    absl::Status status;
    Task encode = [this, &part, &status] { status = EncodeMarked(part); };
    if (strand.TryRun(encode)) return OnEncoded(std::move(part), status);
  }
  shared_->tasks.On(strand, [this, part = std::move(part)]() mutable {
    absl::Status status = EncodeMarked(part);
    shared_->tasks.OnStateNow([this, part = std::move(part), status = std::move(status)]() mutable {
      OnEncoded(std::move(part), status);
    });
  });
}

absl::Status PushLane::EncodeMarked(Part& part) {
  part.marks.Mark(&ClientPushTimes::encode_begun);
  absl::Status status = EncodeHere(part);
  part.marks.Mark(&ClientPushTimes::encoded);
  return status;
}

bool PushLane::AsItIs(const Part& part) const {
  return part.codec->info().wire_id == kIdentityWireId && residual_.EmptyFor(part.fragment);
}

absl::Status PushLane::EncodeHere(Part& part) {
  return AsItIs(part) ? Lend(part) : EncodeInBuffer(part);
}

absl::Status PushLane::Lend(Part& part) {
  const auto payload = BytesOf(DeltaOf(part));
  if (part.unhashed) {
    // Nobody looks at a byte here: who says known_finite without its being so is refused by the server.
  } else if (part.job->hashes.empty()) {
    const wire::PayloadScan scan = wire::ScanFloats(payload);
    if (!scan.finite) {
      return absl::InvalidArgumentError(
          absl::StrCat("the delta has a NaN or an infinity in fragment ", part.fragment,
                       ", although the push was made with known_finite; look through the delta or "
                       "leave that to Push"));
    }
    part.header.payload_hash = scan.hash;
  } else {
    part.header.payload_hash = part.job->hashes[part.fragment];
  }
  absl::StatusOr<Buffer> header = shared_->pool.Take(0);
  if (!header.ok()) return header.status();
  part.frame = std::make_shared<PushFrame>(*std::move(header), payload);
  return absl::OkStatus();
}

absl::Status PushLane::EncodeInBuffer(Part& part) {
  absl::StatusOr<Buffer> buffer = shared_->pool.Take(part.credit_bytes);
  if (!buffer.ok()) return buffer.status();
  const auto bytes = residual_.Encode(*part.codec, part.fragment, DeltaOf(part), buffer->span());
  if (!bytes.ok()) return bytes.status();
  buffer->Truncate(*bytes);
  if (!part.unhashed) part.header.payload_hash = wire::HashPayload(buffer->span());
  part.frame = std::make_shared<PushFrame>(*std::move(buffer));
  return absl::OkStatus();
}

void PushLane::OnEncoded(Part part, const absl::Status& status) {
  --encoding_;
  if (!status.ok()) {
    part.job->Fail(status);
    Release(part);
    // A sum of delta and residual that overflows must not spoil the residual as well.
    if (absl::IsInvalidArgument(status)) {
      Settle(std::move(part));
    } else {
      ReturnDelta(std::move(part));
    }
  } else if (!final_.ok() || part.job->failed()) {
    if (!final_.ok()) part.job->Fail(final_);
    Release(part);
    ReturnEncoded(std::move(part));
  } else {
    credit_bytes_used_ -= part.credit_bytes - part.frame->payload.size();
    part.credit_bytes = part.frame->payload.size();
    if (sender_->ready()) {
      SendFirst(std::move(part));
    } else {
      unsent_.push_back(std::move(part));
    }
  }
  Pump();
}

void PushLane::SendFirst(Part part) {
  wire::FrameHeader& header = part.header;
  header.type = static_cast<uint8_t>(wire::FrameType::kPush);
  header.sequence = ++last_sequence_;
  header.base_version = (*part.job->base_versions)[part.fragment];
  header.fragment = part.fragment;
  header.elements =
      static_cast<uint32_t>(shared_->config.layout.fragments()[part.fragment].elements);
  header.inner_steps = part.job->inner_steps;
  header.codec = part.codec->info().wire_id;
  Part& kept = sent_[header.sequence] = std::move(part);
  SendAgain(kept);
}

void PushLane::SendAgain(Part& part) {
  // Nobody reads the headroom now: the connection that had this frame has been closed and has let go of it.
  const std::shared_ptr<PushFrame> frame = part.frame;
  part.header.session = sender_->session();
  SetHash(part);
  const bool shared = SetShared(part);
  const absl::Span<const std::byte> payload =
      shared ? absl::Span<const std::byte>() : frame->payload;
  part.header.floor = sent_.begin()->first;  // all below it are acknowledged
  wire::WriteHeader(part.header, frame->buffer.headroom(wire::kFrameHeaderBytes));
  const std::shared_ptr<Buffer> buffer(frame, &frame->buffer);
  frame->with_transport = true;
  frame->bytes_leaving = payload.size();
  bytes_leaving_ += payload.size();
  sender_->SendFrame(buffer, payload, [this, frame] {
    shared_->tasks.OnStateNow([this, frame] { OnLetGo(*frame); });
  });
}

// A part that was encoded for a connection that wants no hash may leave over another, and the other way round.
void PushLane::SetHash(Part& part) {
  const bool unhashed = sender_->unhashed();
  if (unhashed) {
    part.header.payload_hash = 0;
  } else if (part.unhashed) {
    part.header.payload_hash = wire::HashPayload(part.frame->payload);
  }
  part.header.flags = unhashed ? wire::kFlagUnhashed : 0;
  part.unhashed = unhashed;
}

void PushLane::OnReady(size_t credit_bytes, size_t pushes_max) {
  credit_bytes_max_ = std::max<size_t>(credit_bytes, 1);
  parts_max_ = std::max<size_t>(pushes_max, 1);
  send_ahead_bytes_ = sender_->send_ahead_bytes();
  if (!sent_.empty()) codecs_.Disturbed();
  for (auto& [sequence, part] : sent_) SendAgain(part);
  while (!unsent_.empty()) {
    Part part = std::move(unsent_.front());
    unsent_.pop_front();
    SendFirst(std::move(part));
  }
  Pump();
}

bool PushLane::SetShared(Part& part) {
  wire::FrameHeader& header = part.header;
  header.payload_bytes = static_cast<uint32_t>(part.frame->payload.size());
  header.durable_version = 0;
  header.window = 0;
  if (!part.frame->lent || part.job->shared.block == nullptr) return false;
  const auto place = sender_->SharedPlaceOf(part.job->shared, part.frame->payload);
  if (!place.has_value()) return false;
  wire::SetShared(*place, header);
  part.frame->shared_nonce = part.job->shared.block->descriptor().nonce;
  return true;
}

absl::Status PushLane::OnAck(const wire::FrameHeader& ack) {
  if (ack.sequence == 0 || ack.sequence > last_sequence_) {
    return absl::InvalidArgumentError(
        absl::StrCat("acknowledgement of push ", ack.sequence, ", which was never sent"));
  }
  auto it = sent_.find(ack.sequence);
  if (it == sent_.end()) return absl::OkStatus();  // acknowledged before
  const auto verdict = static_cast<wire::Verdict>(ack.verdict);
  if (ack.fragment != it->second.fragment || verdict == wire::Verdict::kNone) {
    return absl::InvalidArgumentError(absl::StrCat("acknowledgement of push ", ack.sequence,
                                                   " names another fragment or no verdict"));
  }
  Part part = std::move(it->second);
  sent_.erase(it);
  uint64_t& acked = shared_->acked_versions[part.fragment];
  acked = std::max(acked, ack.fragment_version);
  Count(part, ack);
  TellTimes(part);
  codecs_.OnAcknowledged(part.job.get(), uint64_t{part.header.elements} * sizeof(float),
                         shared_->tasks.Now());
  Release(part);
  if (verdict == wire::Verdict::kRejected && shared_->config.options.keep_rejected) {
    ReturnEncoded(std::move(part));
  } else {
    Settle(std::move(part));
  }
  Pump();
  return absl::OkStatus();
}

// The staleness of a push is the fragment's version just before it was applied (or not) minus the version that its delta
// started from. The acknowledgement tells the version just after (of a duplicate: after the original): one more if this push
// raised it.
void PushLane::Count(const Part& part, const wire::FrameHeader& ack) {
  if (part.job == nullptr) return;
  PushReport& report = part.job->report;
  const auto verdict = static_cast<wire::Verdict>(ack.verdict);
  const bool applied = verdict == wire::Verdict::kApplied;
  ++report.fragments;
  report.applied += applied ? 1 : 0;
  report.buffered += verdict == wire::Verdict::kBuffered ? 1 : 0;
  report.rejected += verdict == wire::Verdict::kRejected ? 1 : 0;
  report.bytes += part.frame->payload.size();
  report.bytes_fp32 += uint64_t{part.header.elements} * sizeof(float);
  const uint64_t raised = part.header.base_version + (applied ? 1 : 0);
  if (ack.fragment_version > raised) {
    report.staleness_max = std::max(report.staleness_max, ack.fragment_version - raised);
  }
}

void PushLane::TellTimes(const Part& part) const {
  if (!part.marks.on()) return;
  part.marks.Mark(&ClientPushTimes::acknowledged);
  ClientPushTimes& times = part.marks.times();
  times.fragment = part.fragment;
  times.sequence = part.header.sequence;
  times.bytes = part.frame->payload.size();
  shared_->config.options.on_push_times(times);
}

void PushLane::Release(Part& part) {
  credit_bytes_used_ -= part.credit_bytes;
  part.credit_bytes = 0;
  --parts_under_way_;
}

void PushLane::Settle(Part part) {
  if (part.job == nullptr) return;
  if (part.frame != nullptr && part.frame->lent && part.frame->with_transport) {
    leaving_.push_back(std::move(part));
  } else {
    part.job->Settle();
  }
}

void PushLane::OnLetGo(PushFrame& frame) {
  frame.with_transport = false;
  bytes_leaving_ -= frame.bytes_leaving;
  const auto it = std::find_if(leaving_.begin(), leaving_.end(),
                               [&frame](const Part& part) { return part.frame.get() == &frame; });
  if (it != leaving_.end()) {
    const Part part = std::move(*it);
    leaving_.erase(it);
    part.job->Settle();
  }
  // This is the thread that will write the next one: best with the bytes in its cache.
  Pump(/*at_once=*/true);
}

}  // namespace tideway
