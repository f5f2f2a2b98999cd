#include "transports/tcp/stripe_receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::tcp {
namespace {

constexpr size_t kAheadBytes = size_t{16} << 10;  // of stream 0, among small messages
constexpr size_t kAheadBytesBehindLarge = 512;
constexpr size_t kLargeBytes = size_t{8} << 10;

static_assert(kPrefixBytes + kMessageHeaderBytesMax <= kAheadBytesBehindLarge,
              "the read-ahead must hold one whole prefix and header");

absl::Status CheckLanding(const Landing& landing, size_t payload_bytes) {
  if (landing.destination.size() == payload_bytes) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("the receiver gave ", landing.destination.size(),
                                          " bytes for a payload of ", payload_bytes));
}

}  // namespace

StripeReceiver::StripeReceiver(size_t streams) : streams_(streams) {
  for (Stream& stream : streams_) {
    stream.ahead_wanted = &stream == &streams_.front() ? kAheadBytes : kAheadBytesBehindLarge;
    stream.ahead.resize(stream.ahead_wanted);
  }
}

std::array<absl::Span<std::byte>, 2> StripeReceiver::Prepare(size_t index) {
  Stream& stream = streams_[index];
  if (stream.begin > 0) {
    std::memmove(stream.ahead.data(), stream.ahead.data() + stream.begin,
                 stream.end - stream.begin);
    stream.end -= std::exchange(stream.begin, 0);
  }
  const size_t wanted = std::max(stream.ahead_wanted, stream.end + 1);
  const absl::Span<std::byte> ahead =
      absl::MakeSpan(stream.ahead).subspan(stream.end, wanted - stream.end);
  if (stream.rest.empty()) return {ahead, {}};
  if (stream.rest.size() > kTurnBytes) return {stream.rest.first(kTurnBytes), {}};
  return {stream.rest, ahead};
}

absl::Status StripeReceiver::Consume(size_t index, size_t bytes, Receiver& receiver,
                                     const std::atomic<bool>& closing) {
  Stream& stream = streams_[index];
  const size_t landed = std::min(bytes, stream.rest.size());
  stream.end += bytes - landed;
  if (landed > 0) OnLanded(stream, landed);
  absl::Status status = Parse(stream, receiver, closing);
  // What came may be what others waited for, and they what it waits for.
  for (bool moved = true; moved && status.ok();) {
    moved = false;
    for (size_t i = 0; i < streams_.size() && status.ok(); ++i) {
      if (!streams_[i].waits) continue;
      status = Parse(streams_[i], receiver, closing);
      moved = moved || !streams_[i].waits;
    }
  }
  return status;
}

absl::Status StripeReceiver::Parse(Stream& stream, Receiver& receiver,
                                   const std::atomic<bool>& closing) {
  stream.waits = false;
  bool progress = true;
  while (progress && stream.rest.empty() && !closing.load(std::memory_order_relaxed)) {
    absl::Status status = TakeFrame(stream, receiver, progress);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status StripeReceiver::TakeFrame(Stream& stream, Receiver& receiver, bool& progress) {
  progress = false;
  const absl::Span<const std::byte> ahead = stream.Ahead();
  if (ahead.size() < kFrameMagicBytes) return CheckBeginning(ahead);
  const absl::StatusOr<FrameKind> kind = KindOf(ahead);
  if (!kind.ok()) return kind.status();
  if (*kind == FrameKind::kChunk) return TakeChunk(stream, progress);
  if (&stream != &streams_.front()) {
    return absl::InvalidArgumentError("the peer began a message on another stream than the first");
  }
  return TakeMessage(stream, *kind == FrameKind::kStripedHead, receiver, progress);
}

absl::Status StripeReceiver::TakeMessage(Stream& stream, bool striped, Receiver& receiver,
                                         bool& progress) {
  const absl::Span<const std::byte> ahead = stream.Ahead();
  if (ahead.size() < kPrefixBytes) return absl::OkStatus();
  const absl::StatusOr<Prefix> prefix = striped ? DecodeStripedHead(ahead) : DecodePrefix(ahead);
  if (!prefix.ok()) return prefix.status();
  const size_t head_bytes = kPrefixBytes + prefix->header_bytes;
  if (ahead.size() < head_bytes) return absl::OkStatus();
  if (striped && !window_.Fits(prefix->payload_bytes)) {
    stream.waits = true;
    return absl::OkStatus();
  }
  progress = true;
  absl::StatusOr<Landing> landing =
      receiver.OnMessage(ahead.subspan(kPrefixBytes, prefix->header_bytes), prefix->payload_bytes);
  if (!landing.ok()) return landing.status();
  stream.begin += head_bytes;
  if (striped) return OpenStriped(*std::move(landing), prefix->payload_bytes);
  return LandPlain(stream, *std::move(landing), prefix->payload_bytes);
}

absl::Status StripeReceiver::LandPlain(Stream& stream, Landing landing, size_t payload_bytes) {
  plain_ = std::move(landing);
  absl::Status status = CheckLanding(*plain_, payload_bytes);
  if (!status.ok()) return status;
  stream.message.reset();
  stream.ahead_wanted = payload_bytes >= kLargeBytes ? kAheadBytesBehindLarge : kAheadBytes;
  Begin(stream, plain_->destination);
  return absl::OkStatus();
}

absl::Status StripeReceiver::OpenStriped(Landing landing, size_t payload_bytes) {
  Open& open = open_.emplace_back();
  open.landing = std::move(landing);
  open.bytes = payload_bytes;
  ++next_striped_;
  window_.Open(payload_bytes);
  return CheckLanding(open.landing, payload_bytes);
}

absl::Status StripeReceiver::TakeChunk(Stream& stream, bool& progress) {
  const absl::Span<const std::byte> ahead = stream.Ahead();
  if (ahead.size() < kChunkFrameBytes) return absl::OkStatus();
  const ChunkFrame chunk = DecodeChunk(ahead);
  if (chunk.message >= next_striped_) {
    stream.waits = true;
    if (&stream != &streams_.front()) return absl::OkStatus();
    return absl::InvalidArgumentError("the peer sent a chunk of a message before the message");
  }
  if (chunk.message < first_open_ || chunk.index >= ChunksOf(OpenAt(chunk.message).bytes) ||
      OpenAt(chunk.message).announced[chunk.index]) {
    return absl::InvalidArgumentError(absl::StrCat("the peer sent chunk ", chunk.index,
                                                   " of message ", chunk.message,
                                                   ", which has no such chunk or had it already"));
  }
  progress = true;
  Open& open = OpenAt(chunk.message);
  open.announced.set(chunk.index);
  stream.begin += kChunkFrameBytes;
  stream.message = chunk.message;
  stream.ahead_wanted = kAheadBytesBehindLarge;
  Begin(stream, open.landing.destination.subspan(chunk.index * kChunkBytes,
                                                 BytesOfChunk(chunk.index, open.bytes)));
  return absl::OkStatus();
}

void StripeReceiver::Begin(Stream& stream, absl::Span<std::byte> place) {
  stream.rest = place;
  const absl::Span<const std::byte> along =
      stream.Ahead().first(std::min(stream.Ahead().size(), place.size()));
  if (!along.empty()) std::memcpy(place.data(), along.data(), along.size());
  stream.begin += along.size();
  OnLanded(stream, along.size());
}

void StripeReceiver::OnLanded(Stream& stream, size_t bytes) {
  stream.rest.remove_prefix(bytes);
  if (!stream.message.has_value()) {
    if (!stream.rest.empty()) return;
    Done done = std::move(plain_->done);
    plain_.reset();
    if (done) std::move(done)(absl::OkStatus());
    return;
  }
  Open& open = OpenAt(*stream.message);
  open.landed_bytes += bytes;
  if (open.landed_bytes < open.bytes) return;
  open.complete = true;
  Done done = std::move(open.landing.done);
  while (!open_.empty() && open_.front().complete) {
    window_.Shut(open_.front().bytes);
    open_.pop_front();
    ++first_open_;
  }
  if (done) std::move(done)(absl::OkStatus());
}

void StripeReceiver::Fail(const absl::Status& reason) {
  std::optional<Landing> plain = std::exchange(plain_, std::nullopt);
  std::deque<Open> open = std::exchange(open_, {});
  for (Stream& stream : streams_) stream.rest = {};
  if (plain.has_value() && plain->done) std::move(plain->done)(reason);
  for (Open& one : open) {
    if (!one.complete && one.landing.done) std::move(one.landing.done)(reason);
  }
}

bool StripeReceiver::InMidMessage() const {
  if (plain_.has_value() || !open_.empty()) return true;
  return std::any_of(streams_.begin(), streams_.end(),
                     [](const Stream& stream) { return stream.begin != stream.end; });
}

}  // namespace tideway::tcp
