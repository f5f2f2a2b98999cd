#include "transports/tcp/stripe_sender.h"

#include <algorithm>
#include <utility>

namespace tideway::tcp {
namespace {

// Adds what `skip` bytes leave of `part`, and takes from `skip` what the part used up.
template <typename Parts>
void AddPart(absl::Span<const std::byte> part, size_t& skip, Parts& parts, size_t& count) {
  const size_t skipped = std::min(skip, part.size());
  skip -= skipped;
  if (skipped == part.size()) return;
  parts[count++] = asio::const_buffer(part.data() + skipped, part.size() - skipped);
}

}  // namespace

void StripeSender::Push(SendOp op) {
  Outgoing message;
  if (op.payload_bytes >= kChunkBytes) message.chunks = ChunksOf(op.payload_bytes);
  message.pieces_left = 1 + message.chunks;
  message.op = std::move(op);
  messages_.push_back(std::move(message));
  if (next_head_ == messages_.end()) next_head_ = std::prev(messages_.end());
}

absl::Span<const asio::const_buffer> StripeSender::Gather(size_t index) {
  Stream& stream = streams_[index];
  Fill(index);
  stream.part_count = 0;
  size_t skip = stream.written_bytes;
  for (size_t i = 0; i < stream.pieces.size(); ++i) {
    if (stream.part_count + 2 + kGatherPartsMax > kBatchParts) break;
    AddPiece(stream, stream.pieces[i], skip);
  }
  return absl::MakeConstSpan(stream.parts).first(stream.part_count);
}

void StripeSender::Fill(size_t index) {
  Stream& stream = streams_[index];
  if (index == 0) {
    size_t bytes = 0;
    for (size_t i = 0; i < stream.pieces.size(); ++i) bytes += stream.pieces[i].bytes();
    while (stream.pieces.size() < kBatchPieces && bytes < kTurnBytes && HeadMayGo()) {
      GiveHead(stream);
      bytes += stream.pieces[stream.pieces.size() - 1].bytes();
    }
  }
  if (stream.pieces.empty() && !spreading_.empty()) GiveChunk(stream);
}

bool StripeSender::HeadMayGo() const {
  if (next_head_ == messages_.end()) return false;
  return next_head_->chunks == 0 || window_.Fits(next_head_->op.payload_bytes);
}

void StripeSender::GiveHead(Stream& stream) {
  const Ticket message = next_head_++;
  const SendOp& op = message->op;
  const Prefix prefix = {op.message.header.size(), op.payload_bytes};
  Piece piece;
  piece.message = message;
  piece.frame_bytes = kPrefixBytes;
  piece.with_header = true;
  if (message->chunks == 0) {
    EncodePrefix(prefix, absl::MakeSpan(piece.frame));
    piece.payload_bytes = op.payload_bytes;
  } else {
    EncodeStripedHead(prefix, absl::MakeSpan(piece.frame));
    message->number = striped_count_++;
    window_.Open(op.payload_bytes);
    spreading_.push_back(message);
  }
  stream.pieces.push_back(piece);
}

void StripeSender::GiveChunk(Stream& stream) {
  const Ticket message = spreading_.front();
  const size_t payload_bytes = message->op.payload_bytes;
  const size_t index = message->chunks_given++;
  Piece piece;
  piece.message = message;
  piece.frame_bytes = kChunkFrameBytes;
  EncodeChunk({index, message->number}, absl::MakeSpan(piece.frame));
  piece.payload_begin = index * kChunkBytes;
  piece.payload_bytes = BytesOfChunk(index, payload_bytes);
  stream.pieces.push_back(piece);
  if (message->chunks_given < message->chunks) return;
  spreading_.pop_front();
  window_.Shut(payload_bytes);
}

void StripeSender::AddPiece(Stream& stream, const Piece& piece, size_t& skip) {
  const Message& message = piece.message->op.message;
  const auto add = [&](absl::Span<const std::byte> part) {
    AddPart(part, skip, stream.parts, stream.part_count);
  };
  add(absl::MakeConstSpan(piece.frame).first(piece.frame_bytes));
  if (piece.with_header) add(message.header);
  size_t begin = piece.payload_begin;
  size_t left = piece.payload_bytes;
  for (absl::Span<const std::byte> part : message.payload) {
    const size_t before = std::min(begin, part.size());
    begin -= before;
    const size_t bytes = std::min(left, part.size() - before);
    left -= bytes;
    add(part.subspan(before, bytes));
  }
}

void StripeSender::Advance(size_t index, size_t bytes, RingQueue<SendOp>& finished) {
  Stream& stream = streams_[index];
  stream.written_bytes += bytes;
  while (!stream.pieces.empty() && stream.written_bytes >= stream.pieces.front().bytes()) {
    stream.written_bytes -= stream.pieces.front().bytes();
    const Ticket message = stream.pieces.pop_front().message;
    if (--message->pieces_left > 0) continue;
    finished.push_back(std::move(message->op));
    messages_.erase(message);
  }
}

absl::Time StripeSender::EarliestDeadline() const {
  absl::Time earliest = absl::InfiniteFuture();
  for (const Outgoing& message : messages_) earliest = std::min(earliest, message.op.deadline);
  return earliest;
}

void StripeSender::TakeAll(RingQueue<SendOp>& out) {
  for (Outgoing& message : messages_) out.push_back(std::move(message.op));
  messages_.clear();
  next_head_ = messages_.end();
  while (!spreading_.empty()) spreading_.pop_front();
  for (Stream& stream : streams_) {
    while (!stream.pieces.empty()) stream.pieces.pop_front();
  }
}

}  // namespace tideway::tcp
