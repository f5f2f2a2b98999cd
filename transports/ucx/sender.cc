#include "transports/ucx/sender.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tideway::ucx {

absl::Status Sender::Pump(Worker& worker) {
  while (started_ < ops_.size() && started_ < kSendsInFlightMax && status_.ok()) {
    Start(worker, ops_[started_]);
    ++started_;
  }
  return status_;
}

void Sender::Start(Worker& worker, SendOp& op) {
  Slot& slot = SlotOf(next_sequence_);
  slot.sender = this;
  slot.out = false;
  const absl::Span<const std::byte> header = op.message.header;
  EncodeMessagePrefix({.header_bytes = static_cast<uint16_t>(header.size()),
                       .sequence = next_sequence_++,
                       .payload_bytes = op.payload_bytes},
                      slot.header.data());
  if (!header.empty())
    std::memcpy(slot.header.data() + kMessagePrefixBytes, header.data(), header.size());
  size_t parts = 0;
  for (const absl::Span<const std::byte> part : op.message.payload) {
    if (part.empty()) continue;
    slot.parts[parts++] = {const_cast<std::byte*>(part.data()), part.size()};
  }
  ucp_request_param_t params = {};
  params.op_attr_mask =
      UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_DATATYPE;
  params.cb.send = &OnOut;
  params.user_data = &slot;
  params.datatype = ucp_dt_make_contig(1);
  if (parts > 1) params.datatype = UCP_DATATYPE_IOV;
  const void* buffer = parts > 1 ? slot.parts.data() : slot.parts[0].buffer;
  if (parts == 0) buffer = nullptr;
  const size_t count = parts > 1 ? parts : op.payload_bytes;
  void* const request =
      ucp_am_send_nbx(worker.endpoint(), kMessageId, slot.header.data(),
                      kMessagePrefixBytes + header.size(), buffer, count, &params);
  if (request == nullptr) {
    slot.out = true;
  } else if (UCS_PTR_IS_ERR(request)) {
    status_ = UcxError("UCX can't send", UCS_PTR_STATUS(request));
  }
}

void Sender::OnOut(void* request, ucs_status_t status, void* slot) {
  Slot& sent = *static_cast<Slot*>(slot);
  if (status == UCS_OK) {
    sent.out = true;
  } else if (sent.sender->status_.ok()) {
    sent.sender->status_ = UcxError("a send failed", status);
  }
  ucp_request_free(request);
}

bool Sender::Finish(SendQueue& queue, const std::atomic<bool>& closing) {
  if (started_ == 0) return false;
  while (started_ > 0 && SlotOf(next_sequence_ - started_).out &&
         !closing.load(std::memory_order_relaxed)) {
    finished_.push_back(ops_.pop_front());
    --started_;
  }
  if (finished_.empty()) return false;
  queue.Complete(finished_);
  return true;
}

absl::Time Sender::EarliestDeadline() {
  absl::Time earliest = absl::InfiniteFuture();
  for (size_t i = 0; i < ops_.size(); ++i) earliest = std::min(earliest, ops_[i].deadline);
  return earliest;
}

}  // namespace tideway::ucx
