#include "core/client/push_lane.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway {
namespace {

// With the codec at once: one being encoded and one that waits for it.
constexpr size_t kEncodingMax = 2;

}  // namespace

PushLane::PushLane(ClientShared* shared, FrameSender* sender, uint32_t server)
    : shared_(shared),
      sender_(sender),
      codec_strand_(shared->tasks.NewStrand()),
      residual_(&shared->config.layout, server, shared->config.options.error_feedback) {}

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
  return parts_under_way_ < parts_max_ && credit_bytes_used_ + bytes <= credit_bytes_max_;
}

void PushLane::Pump() {
  const ClientConfig& config = shared_->config;
  while (!waiting_.empty()) {
    Part& next = waiting_.front();
    const size_t bound = config.codec_up->Bound(config.layout.fragments()[next.fragment].elements);
    if (!HasRoomFor(bound)) return;
    next.credit_bytes = bound;
    credit_bytes_used_ += bound;
    ++parts_under_way_;
    ++encoding_;
    Part part = std::move(next);
    waiting_.pop_front();
    Encode(std::move(part));
  }
}

void PushLane::Encode(Part part) {
  shared_->tasks.On(codec_strand_, [this, part = std::move(part)]() mutable {
    absl::Status status;
    absl::StatusOr<Buffer> buffer = shared_->pool.Take(part.credit_bytes);
    if (buffer.ok()) {
      const auto bytes = residual_.Encode(*shared_->config.codec_up, part.fragment, DeltaOf(part),
                                          shared_->config.options.residual_decay, buffer->span());
      status = bytes.status();
      if (bytes.ok()) {
        buffer->Truncate(*bytes);
        part.header.payload_hash = wire::HashPayload(buffer->span());
        part.frame = std::make_shared<Buffer>(*std::move(buffer));
      }
    } else {
      status = buffer.status();
    }
    shared_->tasks.OnState([this, part = std::move(part), status = std::move(status)]() mutable {
      OnEncoded(std::move(part), status);
    });
  });
}

void PushLane::OnEncoded(Part part, const absl::Status& status) {
  --encoding_;
  if (!status.ok()) {
    part.job->Fail(status);
    Release(part);
    // A sum of delta and residual that overflows must not spoil the residual as well.
    if (absl::IsInvalidArgument(status)) {
      Settle(part);
    } else {
      ReturnDelta(std::move(part));
    }
  } else if (!final_.ok() || part.job->failed()) {
    if (!final_.ok()) part.job->Fail(final_);
    Release(part);
    ReturnEncoded(std::move(part));
  } else {
    credit_bytes_used_ -= part.credit_bytes - part.frame->size();
    part.credit_bytes = part.frame->size();
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
  header.codec = shared_->config.codec_up->info().wire_id;
  header.payload_bytes = static_cast<uint32_t>(part.frame->size());
  Part& kept = sent_[header.sequence] = std::move(part);
  SendAgain(kept);
}

void PushLane::SendAgain(Part& part) {
  // Nobody reads the headroom now: the connection that had this frame has been closed and has let go of it.
  part.header.session = sender_->session();
  part.header.floor = sent_.begin()->first;  // all below it are acknowledged
  wire::WriteHeader(part.header, part.frame->headroom(wire::kFrameHeaderBytes));
  sender_->SendFrame(part.frame);
}

void PushLane::OnReady(size_t credit_bytes, size_t pushes_max) {
  credit_bytes_max_ = std::max<size_t>(credit_bytes, 1);
  parts_max_ = std::max<size_t>(pushes_max, 1);
  for (auto& [sequence, part] : sent_) SendAgain(part);
  while (!unsent_.empty()) {
    Part part = std::move(unsent_.front());
    unsent_.pop_front();
    SendFirst(std::move(part));
  }
  Pump();
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
  Release(part);
  if (verdict == wire::Verdict::kRejected && shared_->config.options.keep_rejected) {
    ReturnEncoded(std::move(part));
  } else {
    Settle(part);
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
  report.bytes += part.frame->size();
  report.bytes_fp32 += uint64_t{part.header.elements} * sizeof(float);
  const uint64_t raised = part.header.base_version + (applied ? 1 : 0);
  if (ack.fragment_version > raised) {
    report.staleness_max = std::max(report.staleness_max, ack.fragment_version - raised);
  }
}

void PushLane::Release(Part& part) {
  credit_bytes_used_ -= part.credit_bytes;
  part.credit_bytes = 0;
  --parts_under_way_;
}

void PushLane::Settle(const Part& part) {
  if (part.job != nullptr) part.job->Settle();
}

void PushLane::ReturnDelta(Part part) {
  shared_->tasks.On(codec_strand_, [this, part = std::move(part)]() mutable {
    residual_.Add(part.fragment, DeltaOf(part));
    shared_->tasks.OnState([part = std::move(part)] { Settle(part); });
  });
}

void PushLane::ReturnEncoded(Part part) {
  shared_->tasks.On(codec_strand_, [this, part = std::move(part)]() mutable {
    // Our own encoding of our own floats: it decodes.
    const absl::Status status =
        residual_.AddEncoded(*shared_->config.codec_up, part.fragment, part.frame->span());
    assert(status.ok());
    (void)status;
    shared_->tasks.OnState([part = std::move(part)] { Settle(part); });
  });
}

void PushLane::Withdraw(const PushJob* job) {
  const auto mine = [job](const Part& part) { return part.job.get() == job; };
  const auto take = [&mine](std::deque<Part>& from) {
    std::deque<Part> taken;
    auto rest = std::stable_partition(from.begin(), from.end(),
                                      [&mine](const Part& part) { return !mine(part); });
    std::move(rest, from.end(), std::back_inserter(taken));
    from.erase(rest, from.end());
    return taken;
  };
  for (Part& part : take(waiting_)) ReturnDelta(std::move(part));
  for (Part& part : take(unsent_)) {
    Release(part);
    ReturnEncoded(std::move(part));
  }
  for (auto& [sequence, part] : sent_) {
    if (mine(part)) std::exchange(part.job, nullptr)->Settle();
  }
  Pump();
}

void PushLane::FailAll(const absl::Status& status) {
  final_ = status;
  for (Part& part : std::exchange(waiting_, {})) {
    part.job->Fail(status);
    ReturnDelta(std::move(part));
  }
  for (Part& part : std::exchange(unsent_, {})) {
    part.job->Fail(status);
    Release(part);
    ReturnEncoded(std::move(part));
  }
  for (auto& [sequence, part] : std::exchange(sent_, {})) {
    if (part.job != nullptr) part.job->Fail(status);
    Release(part);
    Settle(part);
  }
}

}  // namespace tideway
