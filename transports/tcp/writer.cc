#include "transports/tcp/writer.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tideway::tcp {
namespace {

size_t WireBytes(const SendOp& op) { return kPrefixBytes + op.bytes(); }

}  // namespace

absl::Span<const asio::const_buffer> Writer::Gather() {
  assert(!empty());
  part_count_ = 0;
  size_t skip = front_written_bytes_;
  const size_t messages = std::min(ops_.size(), kBatchMessages);
  for (size_t i = 0; i < messages; ++i) {
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
  if (skipped == part.size()) return;
  parts_[part_count_++] = asio::const_buffer(part.data() + skipped, part.size() - skipped);
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
