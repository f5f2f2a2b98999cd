#include "transports/tcp/reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::tcp {
namespace {

constexpr size_t kAheadBytes = size_t{16} << 10;  // among small messages
constexpr size_t kAheadBytesBehindLarge = 512;    // after a large payload
constexpr size_t kLargePayloadBytes = size_t{8} << 10;

static_assert(kPrefixBytes + kMessageHeaderBytesMax <= kAheadBytesBehindLarge,
              "the read-ahead must hold one whole prefix and header");

}  // namespace

Reader::Reader() : ahead_(kAheadBytes), ahead_wanted_(kAheadBytes) {}

std::array<absl::Span<std::byte>, 2> Reader::Prepare() {
  if (begin_ > 0) {
    std::memmove(ahead_.data(), ahead_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const size_t wanted = std::max(ahead_wanted_, end_ + 1);
  const absl::Span<std::byte> ahead = absl::MakeSpan(ahead_).subspan(end_, wanted - end_);
  if (!landing_active_) return {ahead, {}};
  const absl::Span<std::byte> rest = landing_.destination.subspan(landed_bytes_);
  if (rest.size() > kTurnBytes) return {rest.first(kTurnBytes), {}};
  return {rest, ahead};
}

absl::Status Reader::Consume(size_t bytes, Receiver& receiver, const std::atomic<bool>& closing) {
  if (landing_active_) {
    const size_t landed = std::min(bytes, landing_.destination.size() - landed_bytes_);
    landed_bytes_ += landed;
    bytes -= landed;
    if (landing_.progress) landing_.progress(landed_bytes_);
    FinishLandingIfComplete();
  }
  end_ += bytes;
  bool progress = true;
  while (progress && !landing_active_ && !closing.load(std::memory_order_relaxed)) {
    absl::Status status = TakeMessage(receiver, progress);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Reader::TakeMessage(Receiver& receiver, bool& progress) {
  progress = false;
  const absl::Span<const std::byte> ahead = Ahead();
  // Before the prefix is whole: a stranger may never send that much.
  if (ahead.size() < kPrefixBytes) return CheckMagic(ahead);
  absl::StatusOr<Prefix> prefix = DecodePrefix(ahead);
  if (!prefix.ok()) return prefix.status();
  if (ahead.size() < kPrefixBytes + prefix->header_bytes) return absl::OkStatus();
  progress = true;
  return Land(*prefix, receiver);
}

absl::Status Reader::Land(const Prefix& prefix, Receiver& receiver) {
  const absl::Span<const std::byte> header = Ahead().subspan(kPrefixBytes, prefix.header_bytes);
  absl::StatusOr<Landing> landing = receiver.OnMessage(header, prefix.payload_bytes);
  if (!landing.ok()) return landing.status();
  landing_ = *std::move(landing);
  landing_active_ = true;
  landed_bytes_ = 0;
  if (landing_.destination.size() != prefix.payload_bytes) {
    return absl::InternalError(absl::StrCat("the receiver gave ", landing_.destination.size(),
                                            " bytes for a payload of ", prefix.payload_bytes));
  }
  begin_ += kPrefixBytes + prefix.header_bytes;
  const absl::Span<const std::byte> along =
      Ahead().first(std::min(Ahead().size(), prefix.payload_bytes));
  if (!along.empty()) std::memcpy(landing_.destination.data(), along.data(), along.size());
  begin_ += along.size();
  landed_bytes_ = along.size();
  ahead_wanted_ = prefix.payload_bytes >= kLargePayloadBytes ? kAheadBytesBehindLarge : kAheadBytes;
  FinishLandingIfComplete();
  return absl::OkStatus();
}

void Reader::FinishLandingIfComplete() {
  if (landed_bytes_ < landing_.destination.size()) return;
  landing_active_ = false;
  Done done = std::move(landing_.done);
  landing_ = {};
  if (done) std::move(done)(absl::OkStatus());
}

void Reader::Fail(const absl::Status& reason) {
  if (!std::exchange(landing_active_, false)) return;
  Done done = std::move(landing_.done);
  landing_ = {};
  if (done) std::move(done)(reason);
}

}  // namespace tideway::tcp
