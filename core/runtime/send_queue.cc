#include "core/runtime/send_queue.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway {
namespace {

constexpr int kClosingRounds = 8;

absl::Status CheckMessage(const Message& message, size_t payload_bytes) {
  if (message.header.size() + payload_bytes == 0) {
    return absl::InvalidArgumentError("a message needs a header or a payload");
  }
  if (message.header.size() > kMessageHeaderBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the header has ", message.header.size(), " bytes; the limit is ", kMessageHeaderBytesMax));
  }
  if (payload_bytes > kMessagePayloadBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the payload has ", payload_bytes, " bytes; the limit is ", kMessagePayloadBytesMax));
  }
  if (message.payload.size() > kGatherPartsMax) {
    return absl::InvalidArgumentError(absl::StrCat("the payload has ", message.payload.size(),
                                                   " parts; the limit is ", kGatherPartsMax));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SendQueue::Push(SendOp& op, bool& wake) {
  absl::Status status = CheckMessage(op.message, op.payload_bytes);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  if (closed_) return absl::CancelledError("the connection is closed");
  if (messages_ >= kSendQueueMessagesMax || op.bytes() > kSendQueueBytesMax - bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the send queue is full: ", messages_, " messages of ", bytes_,
        " bytes wait; the limits are ", kSendQueueMessagesMax, " and ", kSendQueueBytesMax));
  }
  bytes_ += op.bytes();
  ++messages_;
  waiting_.push_back(std::move(op));
  wake = !std::exchange(told_, true);
  return absl::OkStatus();
}

bool SendQueue::TryOwn(const SendOp& op) {
  if (!CheckMessage(op.message, op.payload_bytes).ok()) return false;
  absl::MutexLock lock(&mutex_);
  if (closed_ || messages_ > 0) return false;
  bytes_ += op.bytes();
  ++messages_;
  owned_ = true;
  return true;
}

void SendQueue::Disown() {
  absl::MutexLock lock(&mutex_);
  owned_ = false;
}

void SendQueue::Take(RingQueue<SendOp>& out) {
  absl::MutexLock lock(&mutex_);
  told_ = false;
  TakeLocked(out);
}

void SendQueue::TakeUnasked(RingQueue<SendOp>& out) {
  absl::MutexLock lock(&mutex_);
  TakeLocked(out);
}

void SendQueue::TakeLocked(RingQueue<SendOp>& out) {
  if (owned_) return;
  if (out.empty()) {
    out.swap(waiting_);
    return;
  }
  while (!waiting_.empty()) out.push_back(waiting_.pop_front());
}

void SendQueue::Release(size_t bytes, size_t messages) {
  absl::MutexLock lock(&mutex_);
  bytes_ -= bytes;
  messages_ -= messages;
}

void SendQueue::Complete(RingQueue<SendOp>& sent) {
  if (sent.empty()) return;
  size_t bytes = 0;
  for (size_t i = 0; i < sent.size(); ++i) bytes += sent[i].bytes();
  Release(bytes, sent.size());
  while (!sent.empty()) {
    SendOp op = sent.pop_front();
    std::move(op.done)(absl::OkStatus());
  }
}

void SendQueue::Close(RingQueue<SendOp>& taken, const absl::Status& reason) {
  for (int round = 1; round <= kClosingRounds; ++round) {
    {
      absl::MutexLock lock(&mutex_);
      while (!waiting_.empty()) taken.push_back(waiting_.pop_front());
      closed_ = taken.empty() || round == kClosingRounds;
    }
    if (taken.empty()) return;
    while (!taken.empty()) {
      SendOp op = taken.pop_front();
      std::move(op.done)(reason);
    }
  }
}

}  // namespace tideway
