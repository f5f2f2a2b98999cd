#include "transports/libfabric/outbox.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::libfabric {

absl::Status Outbox::Prepare(Device& device, size_t frame_bytes, Frame& frame) {
  const SendOp& op = waiting_.front();
  frame.sequence = sent_;
  frame.header = op.message.header;
  frame.payload_bytes = static_cast<uint32_t>(op.payload_bytes);
  frame.type = FrameType::kInline;
  frame.part_count = 0;
  prepared_remote_ = FrameBytes(frame) > frame_bytes;
  if (!prepared_remote_) return absl::OkStatus();
  frame.type = FrameType::kRemote;
  return Register(device, frame);
}

absl::Status Outbox::Register(Device& device, Frame& frame) {
  const bool again = !prepared_.empty();
  for (const absl::Span<const std::byte> part : waiting_.front().message.payload) {
    if (part.empty()) continue;
    if (!again) {
      absl::StatusOr<Registration> registration =
          Registration::Create(device, part.data(), part.size(), FI_REMOTE_READ);
      if (!registration.ok()) return registration.status();
      prepared_.push_back(*std::move(registration));
    }
    const Registration& registration = prepared_[frame.part_count];
    frame.parts[frame.part_count++] = {registration.base(), registration.key(), part.size()};
  }
  return absl::OkStatus();
}

void Outbox::Sent() {
  Sending sending;
  sending.op = waiting_.pop_front();
  sending.complete = !prepared_remote_;
  sending.registrations = std::move(prepared_);
  prepared_.clear();
  unread_ += prepared_remote_ ? 1 : 0;
  sending_.push_back(std::move(sending));
  ++sent_;
}

absl::Status Outbox::OnFinished(uint32_t finished) {
  if (finished - peer_finished_ > sent_ - peer_finished_) {
    return absl::InvalidArgumentError(
        absl::StrCat("the peer is done with ", finished, " messages, and got only ", sent_));
  }
  peer_finished_ = finished;
  return absl::OkStatus();
}

absl::Status Outbox::OnRead(uint32_t sequence) {
  const uint32_t index = sequence - (sent_ - static_cast<uint32_t>(sending_.size()));
  if (index >= sending_.size() || sending_[index].complete) {
    return absl::InvalidArgumentError(
        absl::StrCat("the peer has read message ", sequence, ", which was not to be read"));
  }
  sending_[index].complete = true;
  sending_[index].registrations.clear();
  --unread_;
  return absl::OkStatus();
}

bool Outbox::PopComplete(SendOp& op) {
  if (sending_.empty() || !sending_.front().complete) return false;
  op = std::move(sending_.pop_front().op);
  return true;
}

absl::Time Outbox::EarliestDeadline() {
  absl::Time earliest = absl::InfiniteFuture();
  for (size_t i = 0; i < sending_.size(); ++i)
    earliest = std::min(earliest, sending_[i].op.deadline);
  for (size_t i = 0; i < waiting_.size(); ++i) earliest = std::min(earliest, waiting_[i].deadline);
  return earliest;
}

void Outbox::TakeAll(RingQueue<SendOp>& out) {
  while (!sending_.empty()) out.push_back(std::move(sending_.pop_front().op));
  while (!waiting_.empty()) out.push_back(waiting_.pop_front());
  prepared_.clear();
  unread_ = 0;
}

}  // namespace tideway::libfabric
