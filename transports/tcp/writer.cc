#include "transports/tcp/writer.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cassert>
#include <utility>

namespace tideway::tcp {
namespace {

size_t WireBytes(const SendOp& op) { return kPrefixBytes + op.bytes(); }

iovec Vector(absl::Span<const std::byte> part) {
  return {.iov_base = const_cast<std::byte*>(part.data()), .iov_len = part.size()};
}

}  // namespace

size_t WriteNow(int socket, const SendOp& op) {
  std::array<std::byte, kPrefixBytes> prefix;
  EncodePrefix({op.message.header.size(), op.payload_bytes}, absl::MakeSpan(prefix));
  std::array<iovec, kGatherPartsMax + 2> parts;
  size_t count = 0;
  parts[count++] = Vector(prefix);
  parts[count++] = Vector(op.message.header);
  for (absl::Span<const std::byte> part : op.message.payload) parts[count++] = Vector(part);
  msghdr message = {};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  const ssize_t written = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  return written > 0 ? static_cast<size_t>(written) : 0;
}

void Writer::PushStarted(SendOp op, size_t written) {
  assert(empty());
  Push(std::move(op));
  front_written_bytes_ = written;
}

absl::Span<const asio::const_buffer> Writer::Gather() {
  assert(!empty());
  part_count_ = 0;
  turn_bytes_left_ = kTurnBytes;
  size_t skip = front_written_bytes_;
  const size_t messages = std::min(ops_.size(), kBatchMessages);
  for (size_t i = 0; i < messages && turn_bytes_left_ > 0; ++i) {
    const SendOp& op = ops_[i];
    if (part_count_ + 2 + op.message.payload.size() > kBatchParts) break;
    EncodePrefix({op.message.header.size(), op.payload_bytes}, absl::MakeSpan(prefixes_[i]));
    AddPart(prefixes_[i], skip);
    AddPart(op.message.header, skip);
    for (absl::Span<const std::byte> part : op.message.payload) AddPart(part, skip);
  }
  return absl::MakeConstSpan(parts_).first(part_count_);
}

void Writer::AddPart(absl::Span<const std::byte> part, size_t& skip) {
  const size_t skipped = std::min(skip, part.size());
  skip -= skipped;
  const size_t bytes = std::min(part.size() - skipped, turn_bytes_left_);
  if (bytes == 0) return;
  turn_bytes_left_ -= bytes;
  parts_[part_count_++] = asio::const_buffer(part.data() + skipped, bytes);
}

void Writer::Advance(size_t bytes, RingQueue<SendOp>& finished) {
  front_written_bytes_ += bytes;
  while (!ops_.empty() && front_written_bytes_ >= WireBytes(ops_.front())) {
    front_written_bytes_ -= WireBytes(ops_.front());
    finished.push_back(ops_.pop_front());
  }
}

absl::Time Writer::EarliestDeadline() {
  absl::Time earliest = absl::InfiniteFuture();
  for (size_t i = 0; i < ops_.size(); ++i) earliest = std::min(earliest, ops_[i].deadline);
  return earliest;
}

static_assert(kGatherPartsMax + 2 <= 64, "one message's parts must fit into one gather list");

}  // namespace tideway::tcp
